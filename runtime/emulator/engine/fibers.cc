#include "fibers.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace gk_emu {

#if defined(__SANITIZE_ADDRESS__)

void switch_fiber(Fiber& from, Fiber& to) {
  void* frames = nullptr;
  __sanitizer_start_switch_fiber(&frames, to.low, size_t(to.high - to.low));
  change_stack(from, to);
  __sanitizer_finish_switch_fiber(frames, nullptr, nullptr);
}

void fiber_begins() { __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr); }

void host_stack(Fiber& host) {
  pthread_attr_t attributes;
  void* low = nullptr;
  size_t bytes = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &bytes);
  pthread_attr_destroy(&attributes);
  host.low = static_cast<unsigned char*>(low);
  host.high = host.low + bytes;
}

#else

void fiber_begins() {}
void host_stack(Fiber&) {}

#endif

#if GK_EMULATOR_FAST_SWITCH

// System V calling convention: rbx, rbp, r12 to r15 and the stack pointer belong to the caller.
asm(R"(
.text
.p2align 4
.globl gk_emulator_switch
.hidden gk_emulator_switch
.type gk_emulator_switch,@function
gk_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gk_emulator_switch,.-gk_emulator_switch
)");

// Stacks lie a multiple of the page size apart, so that the same depth in each would fall into the same few cache lines' sets: their tops are spread
// over a page.
void FiberPool::prepare(Fiber& fiber, size_t index) {
  uintptr_t top = reinterpret_cast<uintptr_t>(fiber.high) - (index % 8) * 512;
  top &= ~uintptr_t(15);
  void** slots = reinterpret_cast<void**>(top) - 8;
  for (int i = 0; i < 6; ++i) slots[i] = nullptr;
  slots[6] = reinterpret_cast<void*>(main_);
  slots[7] = nullptr;  // where a return address would be: the stack is misaligned by 8 as after a call
  fiber.stack_pointer = slots;
}

#else

void change_stack(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }

void FiberPool::prepare(Fiber& fiber, size_t) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.low;
  fiber.context.uc_stack.ss_size = size_t(fiber.high - fiber.low);
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, main_, 0);
}

#endif

FiberPool::FiberPool(void (*main)()) : main_(main) {}

FiberPool::~FiberPool() {
  const size_t page = size_t(sysconf(_SC_PAGESIZE));
  for (const auto& fiber : all_) munmap(fiber->low - page, kStackBytes + page);
}

Fiber* FiberPool::make() {
  const size_t page = size_t(sysconf(_SC_PAGESIZE));
  void* const base = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  mprotect(base, page, PROT_NONE);
  auto fiber = std::make_unique<Fiber>();
  fiber->low = static_cast<unsigned char*>(base) + page;
  fiber->high = fiber->low + kStackBytes;
  prepare(*fiber, all_.size());
  all_.push_back(std::move(fiber));
  return all_.back().get();
}

Fiber* FiberPool::take() {
  if (free_.empty()) return make();
  Fiber* const fiber = free_.back();
  free_.pop_back();
  return fiber;
}

void FiberPool::reset() {
  free_.clear();
  for (size_t i = all_.size(); i-- > 0;) {
    prepare(*all_[i], i);
    free_.push_back(all_[i].get());
  }
}

}  // namespace gk_emu
