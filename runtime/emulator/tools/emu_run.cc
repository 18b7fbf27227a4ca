// Runs kernels of emulated modules as a text file says: for tests of kernels and of the engine, without a driver or a device layer.
//
// Build, from the repository root:
//   g++ -std=c++17 -O2 -o emu_run runtime/emulator/tools/emu_run.cc runtime/emulator/engine/*.cc -ldl -pthread
//
// The lines of the file, in order:
//   config capability=90;schedule=forward|reverse|random;seed=7;checked=0|1
//   module <path of a module>
//   buffer <bytes> <file or ->                       numbered from 0; contents from the file, '-': uninitialised
//   poison <buffer> <byte>                           fills it and counts as initialisation
//   release <buffer>                                 frees it (its address can still be passed)
//   timeout <milliseconds>                           of every launch; none when not given
//   params <hex bytes>                               of the launches that follow
//   reloc <offset in params> <buffer or -1> <offset> writes an address there, null for -1
//   launch <entry> gx gy gz block shared cluster dependent(0|1)
//   output <buffer> <file>
// Exit codes: 0; 2 when the file is wrong; 3 when a launch failed, with the fault's code and message on stderr.
#include <dlfcn.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "../engine/engine.h"
#include "../include/emulation_abi.h"

namespace {

using gk_emu::Config;
using gk_emu::Machine;

struct Buffer {
  unsigned char* data;
  size_t bytes;
};

[[noreturn]] void wrong(const std::string& what) { throw std::runtime_error(what); }

Config parse_config(const std::string& text) {
  Config c;
  std::istringstream items(text);
  std::string item;
  while (std::getline(items, item, ';')) {
    const size_t eq = item.find('=');
    if (eq == std::string::npos) wrong("config item '" + item + "': name=value was expected");
    const std::string name = item.substr(0, eq), value = item.substr(eq + 1);
    if (name == "capability") {
      c.limits = gk_emu::limits_of(std::stoi(value));
    } else if (name == "seed") {
      c.seed = std::stoull(value);
    } else if (name == "checked") {
      c.checked = value == "1";
    } else if (name == "schedule") {
      c.order = value == "forward" ? gk_emu::Order::kForward : value == "reverse" ? gk_emu::Order::kReverse : gk_emu::Order::kRandom;
    } else {
      wrong("config item '" + item + "' is not known");
    }
  }
  return c;
}

std::vector<char> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) wrong("cannot read " + path);
  return std::vector<char>((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

std::vector<unsigned char> parse_hex(const std::string& text) {
  std::vector<unsigned char> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) bytes.push_back(static_cast<unsigned char>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

// Sets the flag after a while, unless it is destroyed before.
class Alarm {
 public:
  Alarm(std::atomic<bool>& flag, long milliseconds) {
    if (milliseconds <= 0) return;
    thread_ = std::thread([this, &flag, milliseconds] {
      std::unique_lock<std::mutex> lock(mutex_);
      if (!wake_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return done_; })) flag = true;
    });
  }
  ~Alarm() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;
};

int run(const char* path) {
  std::ifstream script(path);
  if (!script) wrong(std::string("cannot read ") + path);
  Config config;
  std::unique_ptr<Machine> machine;
  void* module = nullptr;
  std::vector<Buffer> buffers;
  std::vector<unsigned char> params;
  long timeout = 0;
  std::string line;
  const auto buffer = [&buffers](long index) -> Buffer& {
    if (index < 0 || size_t(index) >= buffers.size()) wrong("there is no buffer " + std::to_string(index));
    return buffers[size_t(index)];
  };
  while (std::getline(script, line)) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word)) continue;
    if (word == "config") {
      std::string text;
      words >> text;
      config = parse_config(text);
      continue;
    }
    if (!machine) machine = std::make_unique<Machine>(config);
    if (word == "module") {
      std::string file;
      words >> file;
      module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (!module) wrong(dlerror());
      const auto bind = reinterpret_cast<int (*)(const gk_emu_table*)>(dlsym(module, "gk_emu_bind"));
      if (!bind || bind(&gk_emu::engine_table()) != 0) wrong(file + " is no module for this version of the engine");
    } else if (word == "buffer") {
      size_t bytes = 0;
      std::string file;
      words >> bytes >> file;
      Buffer b = {static_cast<unsigned char*>(machine->allocate(bytes)), bytes};
      if (!b.data) wrong("no memory for a buffer of " + std::to_string(bytes) + " bytes");
      if (file != "-") {
        const std::vector<char> contents = read_file(file);
        const size_t n = std::min(contents.size(), bytes);
        memcpy(b.data, contents.data(), n);
        machine->wrote(b.data, n);
      }
      buffers.push_back(b);
    } else if (word == "poison") {
      long index = -1;
      int byte = 0;
      words >> index >> byte;
      memset(buffer(index).data, byte, buffer(index).bytes);
      machine->wrote(buffer(index).data, buffer(index).bytes);
    } else if (word == "release") {
      long index = -1;
      words >> index;
      if (!machine->release(buffer(index).data)) wrong("buffer " + std::to_string(index) + " is not allocated");
    } else if (word == "timeout") {
      words >> timeout;
    } else if (word == "params") {
      std::string hex;
      words >> hex;
      params = parse_hex(hex);
    } else if (word == "reloc") {
      size_t offset = 0;
      long index = -1;
      long long plus = 0;
      words >> offset >> index >> plus;
      if (offset + 8 > params.size()) wrong("reloc at " + std::to_string(offset) + " of " + std::to_string(params.size()) + " bytes of parameters");
      const uint64_t address = index < 0 ? 0 : reinterpret_cast<uint64_t>(buffer(index).data) + uint64_t(plus);
      memcpy(params.data() + offset, &address, 8);
    } else if (word == "launch") {
      std::string entry;
      gk_emu::LaunchRequest r = {};
      int dependent = 0;
      if (!(words >> entry >> r.grid[0] >> r.grid[1] >> r.grid[2] >> r.block >> r.shared_bytes >> r.cluster >> dependent)) wrong("launch: " + line);
      if (!module) wrong("launch before module");
      r.entry = reinterpret_cast<void (*)(const void*)>(dlsym(module, entry.c_str()));
      r.info = static_cast<const gk_emu_kernel*>(dlsym(module, (entry + "__info").c_str()));
      if (!r.entry || !r.info) wrong("the module has no kernel " + entry);
      r.name = entry.c_str();
      r.params = params.data();
      r.param_bytes = params.size();
      r.dependent = dependent != 0;
      std::atomic<bool> cancel(false);
      std::optional<gk_emu::Fault> fault;
      {
        const Alarm alarm(cancel, timeout);
        fault = machine->run(r, cancel);
      }
      if (fault) {
        std::cerr << "fault " << fault->code << ": " << fault->message << "\n";
        return 3;
      }
    } else if (word == "output") {
      long index = -1;
      std::string file;
      words >> index >> file;
      std::ofstream out(file, std::ios::binary);
      out.write(reinterpret_cast<const char*>(buffer(index).data), std::streamsize(buffer(index).bytes));
      if (!out) wrong("cannot write " + file);
    } else {
      wrong("line '" + line + "' is not understood");
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: emu_run <file>\n";
    return 2;
  }
  try {
    return run(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "emu_run: " << error.what() << "\n";
    return 2;
  }
}
