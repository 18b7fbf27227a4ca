// What the emulated driver needs from the engine that runs kernels: device memory with its shadow, and launches.
#ifndef GK_EMULATOR_ENGINE_H
#define GK_EMULATOR_ENGINE_H
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

struct gk_emu_kernel;
struct gk_emu_table;

namespace gk_emu {

// Hardware limits of the emulated capability (CUDA C++ Programming Guide, "Technical Specifications per Compute Capability").
struct Limits {
  int capability = 90;                  // 10 × major + minor
  int multiprocessors = 4;
  uint32_t shared_static = 48 * 1024;   // static shared memory per block
  uint32_t shared_block = 227 * 1024;   // dynamic + static per block after opting in
  uint32_t shared_multiprocessor = 228 * 1024;
  uint32_t threads_multiprocessor = 2048;
  uint32_t blocks_multiprocessor = 32;
};
Limits limits_of(int capability);  // throws std::invalid_argument for a capability that is not known

enum class Order { kForward, kReverse, kRandom };

struct Config {
  Limits limits;
  bool checked = true;
  Order order = Order::kForward;
  uint64_t seed = 1;
};

// CUresult numbers that the engine uses.
enum : int { kIllegalAddress = 700, kTooManyResources = 701, kLaunchTimeout = 702, kMisaligned = 716, kLaunchFailed = 719, kInvalidValue = 1 };

struct Fault {
  int code;
  std::string message;  // names kernel, block, thread, address and allocation or shared array
};

// What modules are bound to (gk_emu_bind), the same for all machines of the process.
const gk_emu_table& engine_table();

// One kernel launch. `block` threads along x; cluster 1 = none. `dependent`: launched as programmatic dependent of the launch before it.
struct LaunchRequest {
  void (*entry)(const void* params);
  const gk_emu_kernel* info;
  const char* name;
  uint32_t grid[3];
  uint32_t block;
  uint32_t cluster = 1;
  uint32_t shared_bytes = 0;  // dynamic
  const void* params;
  size_t param_bytes;
  bool dependent = false;
};

// The memory of one emulated device and everything the checks know about it. Used by one thread at a time, except where said.
class Machine {
 public:
  explicit Machine(const Config& config);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const Config& config() const;

  // Device memory: 256-byte aligned, surrounded by guard zones, contents undefined (when checked: filled with NaN patterns and marked uninitialised).
  // Null when the host has none left. Thread-safe.
  void* allocate(size_t bytes);
  // False when `base` is not the start of a live allocation. A freed range stays quarantined for a while, so that late accesses are found. Thread-safe.
  bool release(void* base);
  // Whether [p, p + bytes) lies inside one live allocation. Thread-safe.
  bool contains(const void* p, size_t bytes) const;
  // The range was written from outside of kernels (copy, memset): it is initialised, and ordered before every later launch. Thread-safe.
  void wrote(const void* p, size_t bytes);
  // For messages: "allocation #12 (4096 bytes) + 64". Thread-safe.
  std::string describe(const void* p) const;

  // Runs a launch to its end. Launches are ordered one after another; a dependent one may touch what its predecessors wrote only after its
  // wait. Returns what went wrong. `cancel` becoming true ends it early with kLaunchTimeout: it is looked at whenever a thread waits, and in
  // the checked flavour on accesses too. Launches of one process run one at a time, whichever machine they are for.
  std::optional<Fault> run(const LaunchRequest& request, const std::atomic<bool>& cancel);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gk_emu

#endif
