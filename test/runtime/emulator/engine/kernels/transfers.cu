#include "common.cuh"

// Three stages of 128 floats, copied ahead. bug 1: no wait; 2: waits for one group too few; 3: no barrier after the wait; 4: refills a stage that others still read;
// 5: misaligned source; 6: past the end of the source.
GK_KERNEL(pipeline, Params, 32, 1) {
  GK_SHARED(float4, stages, 3 * 32);
  const int t = threadIdx.x, tiles = params.n / 128;
  const auto start = [&](int tile) {
    const float* const from = params.in + tile * 128 + t * 4 + (params.bug == 5 ? 1 : 0);
    gk::copyAsync16(&stages[tile % 3 * 32 + t], params.bug == 6 ? params.in + params.n : from, tile < tiles);
    gk::copyAsyncCommit();
  };
  start(0);
  start(1);
  float sum = 0;
  for (int tile = 0; tile < tiles; ++tile) {
    if (params.bug == 2) gk::copyAsyncWait<2>();
    else if (params.bug != 1) gk::copyAsyncWait<1>();
    if (params.bug != 3) __syncthreads();
    const float4 v = stages[tile % 3 * 32 + 31 - t];
    sum += v.x + v.y + v.z + v.w;
    if (params.bug == 4) {
      gk::copyAsync16(&stages[tile % 3 * 32 + t], params.in, true);
      gk::copyAsyncCommit();
    } else {
      start(tile + 2);
    }
  }
  params.out[t] = sum;
}

// Where `valid` is false the target is zero and the source may be anything.
GK_KERNEL(zero_fill, Params, 32, 1) {
  GK_SHARED(float, tile, 32);
  gk::copyAsync4(&tile[threadIdx.x], threadIdx.x < 20 ? params.in + threadIdx.x : nullptr, threadIdx.x < 20);
  gk::copyAsyncCommit();
  gk::copyAsyncWait<0>();
  params.out[threadIdx.x] = tile[threadIdx.x];
}

// A producer warp fills two stages by bulk copies, three consumer warps empty them. bug 1: consumers do not wait; 2: announces too few bytes; 3: too many;
// 4: not a multiple of 16; 5: no fenceBarrierInit; 6: no block barrier after the initialisation; 7: the producer does not wait for the stage to be empty;
// 8: nobody waits for the last copy; 9: the barrier was never initialised; 10: misaligned target.
GK_KERNEL(bulk_pipeline, Params, 128, 1) {
  GK_SHARED(float, stages, 2 * 96 + 4);
  GK_SHARED(uint64_t, full, 2);
  GK_SHARED(uint64_t, empty, 2);
  const int tiles = params.n / 96, t = threadIdx.x;
  if (t == 0 && params.bug != 9) {
    for (int i = 0; i < 2; ++i) {
      gk::barrierInit(&full[i], 1);
      gk::barrierInit(&empty[i], 96);
    }
    if (params.bug != 5) gk::fenceBarrierInit();
  }
  if (params.bug != 6) __syncthreads();
  if (t < 32) {
    if (t == 0) {
      for (int tile = 0; tile < tiles; ++tile) {
        const int s = tile % 2;
        if (params.bug != 7) gk::barrierWait(&empty[s], (tile / 2 + 1) % 2);
        const uint32_t bytes = params.bug == 4 ? 380 : 384;
        gk::barrierArriveExpect(&full[s], params.bug == 2 ? 368 : params.bug == 3 ? 400 : bytes);
        gk::bulkCopy<gk::kStream>(stages + s * 96 + (params.bug == 10), params.in + tile * 96, bytes, &full[s]);
      }
    }
    return;
  }
  float sum = 0;
  for (int tile = 0; tile < tiles - (params.bug == 8); ++tile) {
    const int s = tile % 2;
    if (params.bug != 1) gk::barrierWait(&full[s], tile / 2 % 2);
    sum += stages[s * 96 + (t - 32 + 50) % 96];
    gk::barrierArrive(&empty[s]);
  }
  params.out[t - 32] = sum;
}

GK_KERNEL(barrier_as_data, Params, 32, 1) {
  GK_SHARED(uint64_t, barrier, 1);
  if (threadIdx.x == 0) gk::barrierInit(barrier, params.bug == 2 ? 0 : 32);
  __syncwarp();
  if (params.bug == 1) params.out[threadIdx.x] = float(barrier[0]);
  gk::barrierArrive(barrier);
  gk::barrierWait(barrier, 0);
  params.out[threadIdx.x] = 1.0f;
}

// The transaction barrier is what orders the tile. bug 1: one more arrival is expected than comes; 2: a thread arrives twice, in a phase that waits for bytes which
// nobody brings; 3: no wait; 4: a wait for the phase before.
GK_KERNEL(arrivals, Params, 64, 1) {
  GK_SHARED(float, tile, 64);
  GK_SHARED(uint64_t, barrier, 1);
  if (threadIdx.x == 0) gk::barrierInit(barrier, 64 + (params.bug == 1));
  __syncthreads();
  tile[threadIdx.x] = 1.0f;
  gk::barrierArrive(barrier);
  if (params.bug == 2 && threadIdx.x == 1) gk::barrierArriveExpect(barrier, 16);
  if (params.bug != 3) gk::barrierWait(barrier, params.bug == 4 ? 1 : 0);
  params.out[threadIdx.x] = tile[63 - threadIdx.x];
}

// Each block sums over its cluster. bug 1: no barrier before; 2: none after: a block may be gone; 3: a rank too large.
GK_KERNEL(cluster_sum, Params, 32, 1) {
  GK_SHARED(float, tile, 32);
  tile[threadIdx.x] = float(blockIdx.x + 1);
  if (params.bug != 1) gk::clusterBarrier();
  float sum = 0;
  for (uint32_t r = 0; r < gk::clusterSize() + (params.bug == 3); ++r) sum += gk::loadFromCluster(&tile[31 - threadIdx.x], r);
  if (params.bug != 2) gk::clusterBarrier();
  params.out[blockIdx.x * 32 + threadIdx.x] = sum;
}
