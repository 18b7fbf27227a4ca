#include "common.cuh"

GK_KERNEL(block_barrier, Params, 128, 1) {
  if (params.bug == 1 && threadIdx.x >= 96) return;
  if (params.bug == 2 && threadIdx.x == 40) return;
  if (params.bug == 3 && threadIdx.x >= 64) {
    gk::namedBarrier(1, 128);
    return;
  }
  if (params.bug == 4 && threadIdx.x == 7) __syncthreads_or(1);
  else __syncthreads();
  params.out[threadIdx.x] = 1.0f;
}

// Warps 0 and 1 meet at barrier 1, warps 2 and 3 at barrier 2.
GK_KERNEL(named_barriers, Params, 128, 1) {
  GK_SHARED(float, tile, 128);
  const int half = threadIdx.x / 64;
  tile[threadIdx.x] = float(threadIdx.x);
  if (params.bug == 1 && threadIdx.x >= 96) return;
  if (params.bug == 2) gk::namedBarrier(1 + half, threadIdx.x % 64 < 32 ? 64 : 128);
  else if (params.bug == 3) gk::namedBarrier(16, 64);
  else if (params.bug == 4) gk::namedBarrier(1, 40);
  else gk::namedBarrier(1 + half, 64);
  params.out[threadIdx.x] = tile[threadIdx.x ^ 32];
}

GK_KERNEL(lanes, Params, 64, 1) {
  const int lane = gk::laneIndex();
  float x = params.in[threadIdx.x];
  switch (params.bug) {
    case 1: if (lane < 16) x = __shfl_xor_sync(gk::kFullWarp, x, 1); break;        // half of the warp is elsewhere
    case 2: if (lane == 9) return; x = gk::warpSum(x); break;                       // a lane has ended
    case 3: x = __shfl_sync(lane < 16 ? 0xffffu : 0xffff0000u, x, 20); break;       // reads a lane outside of the mask
    case 4: x = __shfl_sync(0xffffu, x, 0); break;                                  // callers outside of the mask
    case 5: if (lane < 4) x = __shfl_sync(gk::kFullWarp, x, 0); else x += float(__ballot_sync(gk::kFullWarp, 1)); break;
    case 6: if (lane != 3) __syncwarp(); else __syncthreads(); break;
    default:
      if (lane < 16) x = __shfl_xor_sync(0xffffu, x, 1);
      x = gk::warpSum(x);
      x += __shfl_sync(lane < 16 ? 0xffffu : 0xffff0000u, x, lane < 16 ? 2 : 20);
  }
  params.out[threadIdx.x] = x;
}

// A block of 48: the second warp has no lanes 16 to 31.
GK_KERNEL(partial_warp, Params, 48, 1) {
  const uint32_t mask = threadIdx.x < 32 || params.bug ? gk::kFullWarp : 0xffffu;
  params.out[threadIdx.x] = float(__popc(__ballot_sync(mask, 1)));
}

GK_KERNEL(divergent_matrix, Params, 32, 1) {
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (!params.bug || threadIdx.x != 31) gk::mmaBf16(d, a, b);
  params.out[threadIdx.x] = d[0];
}

GK_KERNEL(cluster_ends, Params, 32, 1) {
  if (params.bug && gk::clusterRank() == 1) return;
  gk::clusterBarrier();
  params.out[blockIdx.x * 32 + threadIdx.x] = float(gk::clusterRank());
}
