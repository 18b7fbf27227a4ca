#include "settings.h"

#include <stdexcept>

#include "failure.h"

namespace gk_emu_driver {
namespace {

uint64_t number(const std::string& key, const std::string& text, uint64_t least, uint64_t most) {
  uint64_t value = 0;
  const bool digits = !text.empty() && text.size() <= 19 && text.find_first_not_of("0123456789") == std::string::npos;
  if (digits) value = std::stoull(text);
  if (!digits || value < least || value > most) {
    throw Failure{CUDA_ERROR_INVALID_VALUE,
                  key + ": expected a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ", found '" + text + "'"};
  }
  return value;
}

void apply(Settings& settings, int& multiprocessors, const std::string& key, const std::string& value) {
  if (key == "capability") {
    try {
      settings.machine.limits = gk_emu::limits_of(static_cast<int>(number(key, value, 1, 999)));
    } catch (const std::invalid_argument& error) {
      throw Failure{CUDA_ERROR_INVALID_VALUE, error.what()};
    }
  } else if (key == "schedule") {
    if (value == "forward") settings.machine.order = gk_emu::Order::kForward;
    else if (value == "reverse") settings.machine.order = gk_emu::Order::kReverse;
    else if (value == "random") settings.machine.order = gk_emu::Order::kRandom;
    else throw Failure{CUDA_ERROR_INVALID_VALUE, "schedule: expected forward, reverse or random, found '" + value + "'"};
  } else if (key == "seed") {
    settings.machine.seed = number(key, value, 0, UINT64_MAX);
  } else if (key == "checked") {
    settings.machine.checked = number(key, value, 0, 1) == 1;
  } else if (key == "memory") {
    settings.memory = number(key, value, 0, uint64_t(1) << 46);
  } else if (key == "devices") {
    settings.devices = static_cast<int>(number(key, value, 0, 16));
  } else if (key == "multiprocessors") {
    multiprocessors = static_cast<int>(number(key, value, 1, 1024));
  } else {
    throw Failure{CUDA_ERROR_INVALID_VALUE, "unknown setting '" + key +
                                                "': expected capability, schedule, seed, checked, memory, devices or multiprocessors"};
  }
}

}  // namespace

Settings parseSettings(const std::string& text) {
  Settings settings;
  settings.machine.limits = gk_emu::limits_of(90);
  int multiprocessors = 0;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find(';', at);
    if (end == std::string::npos) end = text.size();
    const std::string part = text.substr(at, end - at);
    at = end + 1;
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    if (equals == std::string::npos) throw Failure{CUDA_ERROR_INVALID_VALUE, "expected key=value, found '" + part + "'"};
    apply(settings, multiprocessors, part.substr(0, equals), part.substr(equals + 1));
  }
  // Whatever the order of the keys was: the capability brings its own number.
  if (multiprocessors != 0) settings.machine.limits.multiprocessors = multiprocessors;
  return settings;
}

void Injections::add(const std::string& text) {
  static const char* const kNames[kKinds] = {"alloc", "launch", "lost", "hang", "memcpy", "module"};
  if (text == "none") {
    for (uint64_t& left : left_) left = 0;
    return;
  }
  const size_t sign = text.find('@');
  for (int kind = 0; sign != std::string::npos && kind < kKinds; kind++) {
    if (text.compare(0, sign, kNames[kind]) != 0) continue;
    left_[kind] = number(text.substr(0, sign), text.substr(sign + 1), 1, UINT32_MAX);
    return;
  }
  throw Failure{CUDA_ERROR_INVALID_VALUE, "expected alloc@N, launch@N, lost@N, hang@N, memcpy@N, module@N or none, found '" + text + "'"};
}

bool Injections::due(Injection kind) {
  uint64_t& left = left_[static_cast<int>(kind)];
  if (left == 0) return false;
  left--;
  return left == 0;
}

}  // namespace gk_emu_driver
