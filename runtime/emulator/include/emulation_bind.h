// How a module finds the engine, and the words that device code is declared with.
#ifndef GK_EMULATION_BIND_H
#define GK_EMULATION_BIND_H

#define GK_EMU_EXPORT __attribute__((visibility("default"), used))
#define GK_EMU_HIDDEN __attribute__((visibility("hidden")))

#if defined(__SANITIZE_THREAD__)
#define GK_EMU_CHECKED 1
// Out of line and without callbacks, so that what the emulation itself touches is not taken for an access of the kernel.
#define GK_EMU_INLINE static __attribute__((noinline, unused, no_sanitize("thread"), no_sanitize("alignment")))
#else
#define GK_EMU_CHECKED 0
#define GK_EMU_INLINE static inline __attribute__((always_inline, unused))
#endif

#if !defined(GK_EMULATED_CAPABILITY)
#define GK_EMULATED_CAPABILITY 90
#endif
#if GK_EMULATED_CAPABILITY >= 90
#define GK_HOPPER 1
#else
#define GK_HOPPER 0
#endif

namespace gk_emu {

GK_EMU_HIDDEN inline const gk_emu_table* table;
GK_EMU_HIDDEN inline gk_emu_thread* current;

// A thread's own data never changes while it runs, so that these may be merged: `const` in the compiler's sense.
#if GK_EMU_CHECKED
static __attribute__((noinline, unused, const, no_sanitize("thread"))) gk_emu_index threadIndex() { return current->index; }
static __attribute__((noinline, unused, const, no_sanitize("thread"))) gk_emu_index blockIndex() { return current->block->index; }
static __attribute__((noinline, unused, const, no_sanitize("thread"))) gk_emu_index blockSize() { return current->block->threads; }
static __attribute__((noinline, unused, const, no_sanitize("thread"))) gk_emu_index gridSize() { return current->block->grid; }
#else
GK_EMU_INLINE const gk_emu_index& threadIndex() { return current->index; }
GK_EMU_INLINE const gk_emu_index& blockIndex() { return current->block->index; }
GK_EMU_INLINE const gk_emu_index& blockSize() { return current->block->threads; }
GK_EMU_INLINE const gk_emu_index& gridSize() { return current->block->grid; }
#endif

GK_EMU_INLINE void* sharedArray(const gk_emu_site* site) { return table->shared_array(site); }
GK_EMU_INLINE unsigned char* sharedDynamic() { return current->block->dynamic; }
GK_EMU_INLINE uint32_t sharedOffset(const void* p) { return uint32_t(static_cast<const unsigned char*>(p) - current->block->shared); }

}  // namespace gk_emu

extern "C" __attribute__((weak)) GK_EMU_EXPORT
#if GK_EMU_CHECKED
    __attribute__((no_sanitize("thread"), no_sanitize("alignment")))
#endif
    int gk_emu_bind(const gk_emu_table* table) {
  if (table->abi != GK_EMU_ABI || table->bytes < sizeof(gk_emu_table)) return 1;
  gk_emu::table = table;
  return 0;
}

#define GK_DEVICE inline __attribute__((always_inline))

// Every thread has its own copy of the parameters, as on silicon (and local copies need no checks).
#define GK_KERNEL(entry, params_type, max_threads, min_blocks)                                                            \
  static void entry##__body(const params_type& params);                                                                   \
  extern "C" {                                                                                                            \
  extern __attribute__((visibility("default"))) const gk_emu_kernel entry##__info;                                                                 \
  const gk_emu_kernel entry##__info = {GK_EMU_ABI, sizeof(params_type), max_threads, min_blocks, GK_EMU_CHECKED,          \
                                       GK_EMULATED_CAPABILITY, &::gk_emu::current};                                       \
  GK_EMU_EXPORT void entry(const void* p) {                                                                               \
    const params_type params = *static_cast<const params_type*>(p);                                                       \
    entry##__body(params);                                                                                                \
  }                                                                                                                       \
  }                                                                                                                       \
  static void entry##__body(const params_type& params)

#define GK_TEXT(symbol, text)                        \
  extern "C" {                                       \
  extern __attribute__((visibility("default"))) const char symbol[];          \
  const char symbol[] = text;                        \
  }

#define GK_SHARED(type, name, count)                                                                                      \
  static const gk_emu_site name##__site = {#name, sizeof(type) * (count), alignof(type) > 16 ? alignof(type) : 16, sizeof(type)}; \
  type(&name)[count] = *static_cast<type(*)[count]>(::gk_emu::sharedArray(&name##__site))

#define GK_SHARED_DYNAMIC(name) unsigned char* const name = ::gk_emu::sharedDynamic()

#endif
