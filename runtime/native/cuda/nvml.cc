#include "nvml.h"

#include <dlfcn.h>

namespace griffin::cuda {
namespace {

constexpr int kClockSm = 1, kClockMemory = 2, kTemperatureGpu = 0;

// Bits of the throttle (clock event) mask, by the library's reference manual. Bit 0, idle, is no reason to mistrust a measurement.
struct Reason {
  unsigned long long bit;
  const char* name;
};
constexpr Reason kReasons[] = {
    {0x2, "application clocks"},     {0x4, "power cap"},     {0x8, "hardware slowdown"},        {0x10, "sync boost"},
    {0x20, "thermal (software)"},    {0x40, "thermal"},      {0x80, "power brake"},             {0x100, "display clocks"},
};

template <class F>
F find(void* library, const char* name) {
  return reinterpret_cast<F>(dlsym(library, name));
}

}  // namespace

std::unique_ptr<Nvml> Nvml::open(const std::string& path, const std::string& bus_id) {
  if (bus_id.empty()) return nullptr;
  // Kept for good: other parts of the process may use it too, and starting it takes a while.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  const auto start = find<int (*)()>(library, "nvmlInit_v2");
  const auto by_bus = find<int (*)(const char*, void**)>(library, "nvmlDeviceGetHandleByPciBusId_v2");
  if (start == nullptr || by_bus == nullptr || start() != 0) return nullptr;
  std::unique_ptr<Nvml> nvml(new Nvml());
  if (by_bus(bus_id.c_str(), &nvml->device_) != 0) return nullptr;
  nvml->clock_ = find<decltype(nvml->clock_)>(library, "nvmlDeviceGetClockInfo");
  nvml->power_ = find<decltype(nvml->power_)>(library, "nvmlDeviceGetPowerUsage");
  nvml->temperature_ = find<decltype(nvml->temperature_)>(library, "nvmlDeviceGetTemperature");
  nvml->throttle_ = find<decltype(nvml->throttle_)>(library, "nvmlDeviceGetCurrentClocksThrottleReasons");
  if (nvml->throttle_ == nullptr) nvml->throttle_ = find<decltype(nvml->throttle_)>(library, "nvmlDeviceGetCurrentClocksEventReasons");
  return nvml;
}

Sensors Nvml::read() const {
  Sensors sensors;
  unsigned value = 0;
  if (clock_ != nullptr && clock_(device_, kClockSm, &value) == 0) sensors.sm_clock_mhz = value;
  if (clock_ != nullptr && clock_(device_, kClockMemory, &value) == 0) sensors.memory_clock_mhz = value;
  if (power_ != nullptr && power_(device_, &value) == 0) sensors.power_watt = value / 1000.0;
  if (temperature_ != nullptr && temperature_(device_, kTemperatureGpu, &value) == 0) sensors.temperature_celsius = value;
  unsigned long long mask = 0;
  if (throttle_ != nullptr && throttle_(device_, &mask) == 0)
    for (const Reason& reason : kReasons)
      if ((mask & reason.bit) != 0) sensors.throttle_reasons.emplace_back(reason.name);
  return sensors;
}

}  // namespace griffin::cuda
