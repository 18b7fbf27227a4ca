// Stackful coroutines: what CUDA threads are run as. A switch saves the registers that the calling convention preserves, nothing more
// (no signal mask, no floating-point control word: kernels change neither).
#ifndef GK_EMULATOR_FIBERS_H
#define GK_EMULATOR_FIBERS_H
#include <cstddef>
#include <memory>
#include <vector>

// The hand-written switch is for x86-64; elsewhere (or with -DGK_EMULATOR_UCONTEXT, to test it) the C library's contexts do, slower.
#if defined(__x86_64__) && !defined(GK_EMULATOR_UCONTEXT)
#define GK_EMULATOR_FAST_SWITCH 1
#else
#define GK_EMULATOR_FAST_SWITCH 0
#endif
#if !GK_EMULATOR_FAST_SWITCH
#include <ucontext.h>
#endif

namespace gk_emu {

constexpr size_t kStackBytes = 64 * 1024;

struct Fiber {
#if GK_EMULATOR_FAST_SWITCH
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
  unsigned char* low = nullptr;  // usable stack: [low, high)
  unsigned char* high = nullptr;
};

#if GK_EMULATOR_FAST_SWITCH
extern "C" void gk_emulator_switch(void** save, void* load) __attribute__((visibility("hidden")));
inline void change_stack(Fiber& from, Fiber& to) { gk_emulator_switch(&from.stack_pointer, to.stack_pointer); }
#else
void change_stack(Fiber& from, Fiber& to);
#endif

// Leaves `from` where it is and goes on with `to`.
#if defined(__SANITIZE_ADDRESS__)
void switch_fiber(Fiber& from, Fiber& to);
#else
inline void switch_fiber(Fiber& from, Fiber& to) { change_stack(from, to); }
#endif
// For the address sanitizer, which must know whose stack it looks at: to be called first on a fiber's first run, and on the host before it
// switches. Nothing otherwise.
void fiber_begins();
void host_stack(Fiber& host);

// Fibers with stacks of their own, a guard page below each. Free ones are handed out last in, first out: their stacks are warm.
class FiberPool {
 public:
  // Every fiber runs `main`, which never returns.
  explicit FiberPool(void (*main)());
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  Fiber* take();            // a free fiber: new, reset, or one that stands where it gave itself back; null when there is no memory for another
  void give(Fiber* fiber) { free_.push_back(fiber); }
  void reset();             // all fibers are free and start anew: whatever they were doing is abandoned

 private:
  Fiber* make();
  void prepare(Fiber& fiber, size_t index);
  void (*main_)();
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> free_;
};

}  // namespace gk_emu

#endif
