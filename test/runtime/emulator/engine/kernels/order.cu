#include "common.cuh"

// ---- threads of a block

GK_KERNEL(across_warps, Params, 128, 1) {
  GK_SHARED(float, tile, 128);
  tile[threadIdx.x] = params.in[threadIdx.x];
  if (!params.bug) __syncthreads();
  params.out[threadIdx.x] = tile[127 - threadIdx.x];
}

// A shuffle is no barrier for memory.
GK_KERNEL(within_warp, Params, 32, 1) {
  GK_SHARED(float, tile, 32);
  tile[threadIdx.x] = params.in[threadIdx.x];
  if (params.bug) gk::warpSum(1.0f);
  else __syncwarp();
  params.out[threadIdx.x] = tile[31 - threadIdx.x];
}

// The tile is written again before all have read it.
GK_KERNEL(write_after_read, Params, 128, 1) {
  GK_SHARED(float, tile, 128);
  float sum = 0;
  for (int i = 0; i < 3; ++i) {
    tile[threadIdx.x] = params.in[threadIdx.x] + float(i);
    __syncthreads();
    sum += tile[127 - threadIdx.x];
    if (!params.bug) __syncthreads();
  }
  params.out[threadIdx.x] = sum;
}

GK_KERNEL(same_place, Params, 64, 1) {
  if (!params.bug || threadIdx.x % 32 == 0) params.out[params.bug ? 0 : threadIdx.x] = 1.0f;
}

// Barrier 1 joins the warps of each half with themselves only.
GK_KERNEL(wrong_group, Params, 128, 1) {
  GK_SHARED(float, tile, 128);
  tile[threadIdx.x] = params.in[threadIdx.x];
  const int half = threadIdx.x / 64;
  gk::namedBarrier(1 + half, 64);
  params.out[threadIdx.x] = tile[params.bug ? (threadIdx.x + 64) % 128 : threadIdx.x ^ 32];
}

// Two-byte and one-byte neighbours in one word; the bug lets two threads write one byte.
GK_KERNEL(neighbours, Params, 64, 1) {
  GK_SHARED(uint8_t, bytes, 64);
  GK_SHARED(uint16_t, halves, 64);
  bytes[params.bug ? threadIdx.x & ~1u : threadIdx.x] = uint8_t(threadIdx.x);
  halves[threadIdx.x] = uint16_t(threadIdx.x);
  __syncthreads();
  const uint32_t word = reinterpret_cast<const uint32_t*>(bytes)[threadIdx.x / 4];
  params.out[threadIdx.x] = float(word >> 24) + float(halves[63 - threadIdx.x]);
}

GK_KERNEL(shared_atomics, Params, 128, 1) {
  GK_SHARED(uint32_t, bins, 8);
  if (threadIdx.x < 8) bins[threadIdx.x] = 0;
  __syncthreads();
  if (params.bug) bins[threadIdx.x % 8] += 1;
  else atomicAdd(&bins[threadIdx.x % 8], 1u);
  __syncthreads();
  params.out[threadIdx.x] = float(bins[threadIdx.x % 8]);
}

// ---- blocks

GK_KERNEL(blocks_collide, Params, 32, 1) {
  const int i = (params.bug ? 0 : blockIdx.x * 32) + threadIdx.x;
  params.out[i] = float(i);
}

GK_KERNEL(block_reads_block, Params, 32, 1) {
  const int i = blockIdx.x * 32 + threadIdx.x;
  params.out[i] = float(i);
  if (params.bug && blockIdx.x == gridDim.x - 1) params.out[i] = params.out[threadIdx.x];
}

// Partial sums per block; the last block adds them in order. bug 1: no fence; 2: the fence stands before the block's other threads have written;
// 3: the atomic's answer reaches only thread 0, the others read without a barrier.
GK_KERNEL(last_block_sums, Params, 64, 1) {
  GK_SHARED(uint32_t, last, 1);
  float* const partial = static_cast<float*>(params.extra);
  if (params.bug == 2) gk::atomicAddRelease(params.counters + 1, 0);
  partial[blockIdx.x * 64 + threadIdx.x] = params.in[threadIdx.x] * float(blockIdx.x + 1);
  if (params.bug != 2) __syncthreads();
  if (threadIdx.x == 0) {
    const uint32_t before = params.bug == 1 ? atomicAdd(params.counters, 1u) : gk::atomicAddRelease(params.counters, 1u);
    last[0] = before == gridDim.x - 1;
  }
  __syncthreads();
  if (!last[0]) return;
  float sum = 0;
  for (uint32_t b = 0; b < gridDim.x; ++b) sum += gk::loadFresh(partial + b * 64 + threadIdx.x);
  params.out[threadIdx.x] = sum;
  if (threadIdx.x == 0) params.counters[0] = 0;
}

// ---- launches

GK_KERNEL(producer, Params, 32, 1) {
  gk::waitForPrevious();
  params.out[threadIdx.x] = params.in[threadIdx.x] + 1.0f;
  gk::letNextStart();
}

// Reads what the launch before wrote. bug 1: before the wait; 2: no wait at all; 3: lets the next start first; 4: writes what the one before read.
GK_KERNEL(consumer, Params, 32, 1) {
  float x = 0;
  if (params.bug == 1) x = params.out[threadIdx.x];
  if (params.bug == 3) gk::letNextStart();
  if (params.bug == 4) const_cast<float*>(params.in)[threadIdx.x] = 0;
  if (params.bug == 2) return;
  gk::waitForPrevious();
  x += params.out[threadIdx.x];
  gk::letNextStart();
  static_cast<float*>(params.extra)[threadIdx.x] = x;
}
