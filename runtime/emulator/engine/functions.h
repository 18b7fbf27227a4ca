// The functions behind gk_emu_table, by the file that holds them.
#ifndef GK_EMULATOR_FUNCTIONS_H
#define GK_EMULATOR_FUNCTIONS_H
#include <cstdint>

#include "../include/emulation_abi.h"

namespace gk_emu {

// barriers.cc
void sync_threads();
int sync_threads_reduce(uint32_t op, int predicate);
void named_barrier(int id, int threads);
void cluster_barrier();

// warps.cc
void sync_warp(uint32_t mask);
uint64_t shuffle(uint32_t kind, uint32_t mask, uint64_t value, int32_t argument, int32_t width);
uint32_t vote(uint32_t kind, uint32_t mask, int predicate);
uint32_t match_any(uint32_t mask, uint64_t value);
uint32_t reduce(uint32_t kind, uint32_t mask, uint32_t value);

// matrices.cc
void multiply_matrices(uint32_t kind, gk_emu_mma* operands);
void load_matrix(uint32_t count, int transposed, const void* row, uint32_t* out);

// transfers.cc
void copy_async(void* shared, const void* global, uint32_t bytes, int valid);
void copy_async_commit();
void copy_async_wait(int pending);

// transactions.cc
void barrier_init(uint64_t* barrier, uint32_t arrivals);
void fence_barrier_init();
void barrier_arrive(uint64_t* barrier, uint32_t expected_bytes);
void barrier_wait(uint64_t* barrier, uint32_t parity);
void fence_async();
void bulk_copy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier);

// accesses.cc
void access(const void* p, uint64_t bytes, uint32_t kind);
void* shared_array(const gk_emu_site* site);
uint64_t atomic(uint32_t op, void* p, uint32_t bytes, uint64_t operand, uint64_t compare);
void fence();
void stack_exhausted();
void trap(const char* what);
void wait_for_previous();
void let_next_start();
const void* cluster_address(const void* shared, uint32_t rank);

}  // namespace gk_emu

#endif
