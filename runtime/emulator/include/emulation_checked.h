// Checked flavour: the functions that the compiler's thread and alignment instrumentation calls, forwarded to the engine.
// Nothing of a sanitizer's own library is needed.
#ifndef GK_EMULATION_CHECKED_H
#define GK_EMULATION_CHECKED_H
#if GK_EMU_CHECKED

#define GK_EMU_CALLBACK extern "C" __attribute__((weak, used, visibility("hidden"), no_sanitize("thread"), no_sanitize("alignment")))

namespace gk_emu {
// A thread's own stack needs no check. The subtraction wraps for addresses below it.
static inline __attribute__((always_inline, no_sanitize("thread"), no_sanitize("alignment"))) void report(const void* p, uint64_t bytes, uint32_t kind) {
  const gk_emu_thread* const t = current;
  if (uint64_t(static_cast<const unsigned char*>(p) - t->stack_low) < uint64_t(t->stack_high - t->stack_low)) return;
  table->access(p, bytes, kind);
}
}  // namespace gk_emu

// Sizes up to 8 are the sizes of the program's types. Of 16 bytes only half the alignment is asked here: the compiler reports a pair of
// 8-byte members in the same way; the alignment of vector types is what __ubsan_handle_type_mismatch_v1 is for.
#define GK_EMU_ACCESS(bytes, kind)                                                                                              \
  GK_EMU_CALLBACK void __tsan_read##bytes(void* p) { gk_emu::report(p, bytes, GK_EMU_READ | kind); }                            \
  GK_EMU_CALLBACK void __tsan_write##bytes(void* p) { gk_emu::report(p, bytes, GK_EMU_WRITE | kind); }                          \
  GK_EMU_CALLBACK void __tsan_volatile_read##bytes(void* p) { gk_emu::report(p, bytes, GK_EMU_READ | kind); }                   \
  GK_EMU_CALLBACK void __tsan_volatile_write##bytes(void* p) { gk_emu::report(p, bytes, GK_EMU_WRITE | kind); }
GK_EMU_ACCESS(1, 0)
GK_EMU_ACCESS(2, GK_EMU_ALIGNED)
GK_EMU_ACCESS(4, GK_EMU_ALIGNED)
GK_EMU_ACCESS(8, GK_EMU_ALIGNED)
GK_EMU_ACCESS(16, 0)
#undef GK_EMU_ACCESS
#define GK_EMU_ACCESS(bytes)                                                                                       \
  GK_EMU_CALLBACK void __tsan_unaligned_read##bytes(void* p) { gk_emu::report(p, bytes, GK_EMU_READ); }            \
  GK_EMU_CALLBACK void __tsan_unaligned_write##bytes(void* p) { gk_emu::report(p, bytes, GK_EMU_WRITE); }
GK_EMU_ACCESS(2)
GK_EMU_ACCESS(4)
GK_EMU_ACCESS(8)
GK_EMU_ACCESS(16)
#undef GK_EMU_ACCESS
GK_EMU_CALLBACK void __tsan_read_range(void* p, unsigned long bytes) { gk_emu::report(p, bytes, GK_EMU_READ); }
GK_EMU_CALLBACK void __tsan_write_range(void* p, unsigned long bytes) { gk_emu::report(p, bytes, GK_EMU_WRITE); }

GK_EMU_CALLBACK void __tsan_init() {}
GK_EMU_CALLBACK void __tsan_func_exit() {}
GK_EMU_CALLBACK void __tsan_func_entry(void*) {
  const unsigned char* const here = static_cast<const unsigned char*>(__builtin_frame_address(0));
  const gk_emu_thread* const t = gk_emu::current;
  if (t && here - t->stack_low < 12 * 1024) gk_emu::table->stack_exhausted();
}
GK_EMU_CALLBACK void __tsan_vptr_update(void**, void*) {}
GK_EMU_CALLBACK void __tsan_vptr_read(void**) {}

// The compiler calls it where an address is not a multiple of its type's alignment, or is null. Layout of the argument: GCC's libubsan ABI 1.
GK_EMU_CALLBACK void __ubsan_handle_type_mismatch_v1(void* data, void* pointer) {
  struct TypeMismatch {
    const char* file;
    uint32_t line, column;
    const void* type;
    unsigned char log_alignment, kind;
  };
  const TypeMismatch* const m = static_cast<const TypeMismatch*>(data);
  const uint64_t alignment = uint64_t(1) << m->log_alignment;
  if (reinterpret_cast<uint64_t>(pointer) % alignment) {
    gk_emu::table->access(pointer, alignment, (m->kind == 1 ? GK_EMU_WRITE : GK_EMU_READ) | GK_EMU_ALIGNED);
  }
}

// Calls that stay calls are not instrumented.
namespace gk_emu {
GK_EMU_INLINE void* checkedCopy(void* to, const void* from, size_t bytes) {
  report(from, bytes, GK_EMU_READ);
  report(to, bytes, GK_EMU_WRITE);
  return memmove(to, from, bytes);
}
GK_EMU_INLINE void* checkedFill(void* to, int value, size_t bytes) {
  report(to, bytes, GK_EMU_WRITE);
  return memset(to, value, bytes);
}
}  // namespace gk_emu
#define memcpy(to, from, bytes) ::gk_emu::checkedCopy(to, from, bytes)
#define memmove(to, from, bytes) ::gk_emu::checkedCopy(to, from, bytes)
#define memset(to, value, bytes) ::gk_emu::checkedFill(to, value, bytes)

#endif
#endif
