// The border between an emulated kernel module and the engine that runs it: plain C data and one table of functions.
// A module exports `int gk_emu_bind(const gk_emu_table*)` (0 when it accepts the table) and, per kernel, `void <entry>(const void* params)`
// and `const gk_emu_kernel <entry>__info`.
#ifndef GK_EMULATION_ABI_H
#define GK_EMULATION_ABI_H

#include <stdint.h>

#define GK_EMU_ABI 1

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gk_emu_index {
  uint32_t x, y, z;
} gk_emu_index;

// What the threads of a block have in common.
typedef struct gk_emu_block {
  gk_emu_index index, threads, grid;
  uint32_t cluster_rank, cluster_size;
  unsigned char* shared;   // start of the block's shared memory
  unsigned char* dynamic;  // its dynamic part
} gk_emu_block;

// What a kernel's code may look at in the thread that it runs as.
typedef struct gk_emu_thread {
  gk_emu_index index;
  const gk_emu_block* block;
  const unsigned char* stack_low;  // the stack that the thread runs on: [low, high)
  const unsigned char* stack_high;
} gk_emu_thread;

typedef struct gk_emu_kernel {
  uint32_t abi;          // GK_EMU_ABI
  uint32_t param_bytes;
  uint32_t max_threads;  // of a block
  uint32_t min_blocks;   // per multiprocessor, as the launch bound says
  uint32_t checked;      // 1: the code reports its memory accesses
  uint32_t capability;   // 10 × major + minor that it was compiled for
  gk_emu_thread** current;  // the module's variable for the running thread, which the engine keeps
} gk_emu_kernel;

// One array in shared memory.
typedef struct gk_emu_site {
  const char* name;
  uint32_t bytes, alignment, element;  // element: bytes of one
} gk_emu_site;

enum {  // bits of an access
  GK_EMU_READ = 0,
  GK_EMU_WRITE = 1,
  GK_EMU_ALIGNED = 2,   // the address must be a multiple of the size
  GK_EMU_CONSTANT = 4,  // a load through the read-only path: nobody may write there during the launch
};
enum { GK_EMU_SHFL_INDEX = 0, GK_EMU_SHFL_UP = 1, GK_EMU_SHFL_DOWN = 2, GK_EMU_SHFL_XOR = 3 };
enum { GK_EMU_VOTE_BALLOT = 0, GK_EMU_VOTE_ANY = 1, GK_EMU_VOTE_ALL = 2 };
enum {  // reductions over a warp; the float ones over 32 lanes, in the order of the shuffle tree 16, 8, 4, 2, 1
  GK_EMU_REDUCE_FLOAT_SUM = 0,
  GK_EMU_REDUCE_FLOAT_MAX = 1,
  GK_EMU_REDUCE_ADD = 2,
  GK_EMU_REDUCE_MIN_UNSIGNED = 3,
  GK_EMU_REDUCE_MAX_UNSIGNED = 4,
  GK_EMU_REDUCE_MIN_SIGNED = 5,
  GK_EMU_REDUCE_MAX_SIGNED = 6,
  GK_EMU_REDUCE_AND = 7,
  GK_EMU_REDUCE_OR = 8,
  GK_EMU_REDUCE_XOR = 9,
};
enum { GK_EMU_COUNT = 0, GK_EMU_AND = 1, GK_EMU_OR = 2 };                    // of __syncthreads_*
enum { GK_EMU_MMA_BF16 = 0, GK_EMU_MMA_F16 = 1, GK_EMU_MMA_TF32 = 2 };
enum {  // atomic operations
  GK_EMU_ATOMIC_ADD = 0,
  GK_EMU_ATOMIC_MIN = 1,         // unsigned
  GK_EMU_ATOMIC_MAX = 2,         // unsigned
  GK_EMU_ATOMIC_MIN_SIGNED = 3,
  GK_EMU_ATOMIC_MAX_SIGNED = 4,
  GK_EMU_ATOMIC_AND = 5,
  GK_EMU_ATOMIC_OR = 6,
  GK_EMU_ATOMIC_XOR = 7,
  GK_EMU_ATOMIC_EXCHANGE = 8,
  GK_EMU_ATOMIC_CAS = 9,         // operand = new, compare = expected
};

typedef struct gk_emu_mma {
  float d[4];
  uint32_t a[4], b[2];
} gk_emu_mma;

typedef struct gk_emu_table {
  uint32_t abi;  // GK_EMU_ABI
  uint32_t bytes;  // of this table

  // Memory. `access` is called only by checked code.
  void (*access)(const void* p, uint64_t bytes, uint32_t kind);
  void* (*shared_array)(const gk_emu_site* site);
  uint64_t (*atomic)(uint32_t op, void* p, uint32_t bytes, uint64_t operand, uint64_t compare);
  void (*fence)(void);  // __threadfence, __threadfence_block
  void (*stack_exhausted)(void);
  void (*trap)(const char* what);

  // Barriers of the block.
  void (*sync_threads)(void);
  int (*sync_threads_reduce)(uint32_t op, int predicate);
  void (*named_barrier)(int id, int threads);

  // Warps.
  void (*sync_warp)(uint32_t mask);
  uint64_t (*shuffle)(uint32_t kind, uint32_t mask, uint64_t value, int32_t argument, int32_t width);
  uint32_t (*vote)(uint32_t kind, uint32_t mask, int predicate);
  uint32_t (*match_any)(uint32_t mask, uint64_t value);
  uint32_t (*reduce)(uint32_t kind, uint32_t mask, uint32_t value);
  void (*mma)(uint32_t kind, gk_emu_mma* operands);
  void (*load_matrix)(uint32_t count, int transposed, const void* row, uint32_t* out);

  // Asynchronous copies.
  void (*copy_async)(void* shared, const void* global, uint32_t bytes, int valid);
  void (*copy_async_commit)(void);
  void (*copy_async_wait)(int pending);

  // Dependent launch.
  void (*wait_for_previous)(void);
  void (*let_next_start)(void);

  // Transaction barriers, bulk copies, clusters.
  void (*barrier_init)(uint64_t* barrier, uint32_t arrivals);
  void (*fence_barrier_init)(void);
  void (*barrier_arrive)(uint64_t* barrier, uint32_t expected_bytes);
  void (*barrier_wait)(uint64_t* barrier, uint32_t parity);
  void (*fence_async)(void);
  void (*bulk_copy)(void* shared, const void* global, uint32_t bytes, uint64_t* barrier);
  void (*cluster_barrier)(void);
  const void* (*cluster_address)(const void* shared, uint32_t rank);
} gk_emu_table;

#ifdef __cplusplus
}
#endif
#endif
