// The contract between a generated CPU kernel and the device that runs it. Included by every rendered kernel (inlined by the
// generator, so that a kernel source stands alone) and by runtime/native. Plain C layout; bump GK_ABI_VERSION on any change.
//
// A kernel is a sequence of phases. A phase is a set of independent work units; the device may run them in any order, on any
// number of threads, and puts a barrier between phases. What a unit computes depends on the arguments alone, never on the thread
// that runs it or on how many there are: that is what makes results identical for every thread count.
#ifndef GK_ABI_H
#define GK_ABI_H
#include <stdint.h>

#define GK_ABI_VERSION 1u

typedef struct gk_args {
  void* const* buffers;   // one per tensor of the family, in its declared order; NULL for an absent optional tensor
  const int64_t* ints;    // one per int scalar of the family, in its declared order
  const float* floats;    // one per float scalar of the family, in its declared order
  void* workspace;        // shared by all threads of one launch, at least workspace_bytes(args), 64-byte aligned, contents undefined
} gk_args;

typedef struct gk_kernel {
  uint32_t abi_version;   // GK_ABI_VERSION
  uint32_t phases;        // at least 1
  const char* id;         // the kernel id, e.g. "ff_down_gather__bf16__avx512__slices16_rows4"
  uint64_t scratch_bytes; // per thread, 64-byte aligned, contents undefined at the start of every run call
  uint64_t (*workspace_bytes)(const gk_args* args);       // must not read buffers; monotone in every int scalar
  int64_t (*units)(const gk_args* args, uint32_t phase);  // must not read buffers; 0 is allowed
  // Runs units [begin, end) of a phase. Called concurrently with disjoint ranges.
  void (*run)(const gk_args* args, uint32_t phase, int64_t begin, int64_t end, void* scratch);
} gk_kernel;

#endif
