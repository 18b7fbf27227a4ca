// What gkEmulatedConfigure and gkEmulatedInject ask for.
#ifndef GK_EMULATED_SETTINGS_H
#define GK_EMULATED_SETTINGS_H
#include <cstdint>
#include <string>

#include "../engine/engine.h"

namespace gk_emu_driver {

struct Settings {
  gk_emu::Config machine;
  uint64_t memory = uint64_t(8) << 30;  // bytes of the device
  int devices = 1;
};

// `key=value;key=value`, any of: capability (80, 90, …), schedule (forward reverse random), seed, checked (0 1), memory (bytes),
// devices (0 to 16), multiprocessors (1 to 1024; default: of the engine). What is not named has its default. Throws Failure.
Settings parseSettings(const std::string& text);

enum class Injection { kAlloc, kLaunch, kLost, kHang, kMemcpy, kModule };

// Faults that were asked for and have not happened yet. Not thread-safe: used under the driver's lock.
class Injections {
 public:
  // `kind@N`: the N-th such operation from now fails. `none` forgets all. Throws Failure.
  void add(const std::string& text);
  // Counts one operation. True when it is the one that fails.
  bool due(Injection kind);

 private:
  static constexpr int kKinds = 6;
  uint64_t left_[kKinds] = {};  // 0: none
};

}  // namespace gk_emu_driver

#endif
