// Matrix instructions. The fragments are as device.cuh says. A product of two 16-bit (or tf32) floats is exact in double, and so are, nearly
// always, sums of 16 of them: d = c + sum is formed in double and rounded to fp32 once. Silicon does not round between the products either
// (it truncates the sum at an undocumented width), so that a result which depends on an order of rounding here would be no model of it.
#include <cmath>
#include <cstring>

#include "checks.h"
#include "execution.h"
#include "functions.h"
#include "report.h"

namespace gk_emu {
namespace {

float from_bits(uint32_t x) {
  float y;
  memcpy(&y, &x, 4);
  return y;
}

float from_bf16(uint32_t bits) { return from_bits(bits << 16); }

float from_f16(uint32_t bits) {
  const uint32_t magnitude = bits & 0x7fff;
  float y = from_bits(magnitude << 13) * 0x1p112f;
  if (magnitude >= 0x7c00) {
    uint32_t raw;
    memcpy(&raw, &y, 4);
    y = from_bits(raw | 0x7f800000u);
  }
  return bits & 0x8000 ? -y : y;
}

// d (16×8) = a (16×K) · b (K×8) + d; b row-major by k.
template <int K>
#if defined(__x86_64__)
__attribute__((always_inline))
#endif
inline void product(const float* a, const float* b, double* d) {
  for (int m = 0; m < 16; ++m) {
    double sum[8] = {};
    for (int k = 0; k < K; ++k) {
      const double x = a[m * K + k];
      for (int n = 0; n < 8; ++n) sum[n] += x * double(b[k * 8 + n]);
    }
    for (int n = 0; n < 8; ++n) d[m * 8 + n] += sum[n];
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void product16_avx2(const float* a, const float* b, double* d) { product<16>(a, b, d); }
__attribute__((target("avx2"))) void product8_avx2(const float* a, const float* b, double* d) { product<8>(a, b, d); }
const bool kAvx2 = __builtin_cpu_supports("avx2");
#endif

void product16(const float* a, const float* b, double* d) {
#if defined(__x86_64__)
  if (kAvx2) return product16_avx2(a, b, d);
#endif
  product<16>(a, b, d);
}

void product8(const float* a, const float* b, double* d) {
#if defined(__x86_64__)
  if (kAvx2) return product8_avx2(a, b, d);
#endif
  product<8>(a, b, d);
}

template <uint32_t kind>
void complete_product(Execution&, Warp& w, uint32_t, uint32_t) {
  float a[16 * 16], b[16 * 8];
  double d[16 * 8];
  for (int lane = 0; lane < 32; ++lane) {
    const gk_emu_mma& o = *static_cast<const gk_emu_mma*>(w.first[lane].deposit);
    const int g = lane / 4, t = lane % 4;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) d[(g + (i / 2) * 8) * 8 + 2 * t + i % 2] = o.d[i];
    if (kind == GK_EMU_MMA_TF32) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) a[(g + (i % 2) * 8) * 8 + t + (i / 2) * 4] = from_bits(o.a[i] & 0xffffe000u);
#pragma GCC unroll 4
      for (int i = 0; i < 2; ++i) b[(t + i * 4) * 8 + g] = from_bits(o.b[i] & 0xffffe000u);
      continue;
    }
    const auto number = [](uint32_t bits) { return kind == GK_EMU_MMA_BF16 ? from_bf16(bits) : from_f16(bits); };
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      float* const to = a + (g + (i % 2) * 8) * 16 + 2 * t + (i / 2) * 8;
      to[0] = number(o.a[i] & 0xffff);
      to[1] = number(o.a[i] >> 16);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 2; ++i) {
      b[(2 * t + i * 8) * 8 + g] = number(o.b[i] & 0xffff);
      b[(2 * t + i * 8 + 1) * 8 + g] = number(o.b[i] >> 16);
    }
  }
  if (kind == GK_EMU_MMA_TF32) {
    product8(a, b, d);
  } else {
    product16(a, b, d);
  }
  for (int lane = 0; lane < 32; ++lane) {
    gk_emu_mma& o = *static_cast<gk_emu_mma*>(w.first[lane].deposit);
    const int g = lane / 4, t = lane % 4;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) o.d[i] = float(d[(g + (i / 2) * 8) * 8 + 2 * t + i % 2]);
  }
}

struct LoadMatrix {
  const unsigned char* row;
  uint32_t* out;
};

void complete_load(Execution& e, Warp& w, uint32_t, uint32_t detail) {
  const uint32_t count = detail & 255;
  const bool transposed = detail >> 8;
  const auto row = [&w](uint32_t matrix, uint32_t r) { return static_cast<const LoadMatrix*>(w.first[matrix * 8 + r].deposit)->row; };
  if (e.checks) {
    for (uint32_t lane = 0; lane < 8 * count; ++lane) e.checks->shared_row(w.first[lane], static_cast<const LoadMatrix*>(w.first[lane].deposit)->row);
  }
  for (uint32_t lane = 0; lane < 32; ++lane) {
    uint32_t* const out = static_cast<const LoadMatrix*>(w.first[lane].deposit)->out;
    for (uint32_t m = 0; m < count; ++m) {
      if (!transposed) {
        const unsigned char* const p = row(m, lane / 4) + lane % 4 * 4;
        if (e.checks) e.checks->access(w.first[lane], p, 4, GK_EMU_READ);
        memcpy(&out[m], p, 4);
        continue;
      }
      uint16_t half[2];
      for (uint32_t i = 0; i < 2; ++i) {
        const unsigned char* const p = row(m, lane % 4 * 2 + i) + lane / 4 * 2;
        if (e.checks) e.checks->access(w.first[lane], p, 2, GK_EMU_READ);
        memcpy(&half[i], p, 2);
      }
      out[m] = half[0] | uint32_t(half[1]) << 16;
    }
  }
}

}  // namespace

void multiply_matrices(uint32_t kind, gk_emu_mma* operands) {
  const auto complete = kind == GK_EMU_MMA_BF16  ? complete_product<GK_EMU_MMA_BF16>
                        : kind == GK_EMU_MMA_F16 ? complete_product<GK_EMU_MMA_F16>
                                                 : complete_product<GK_EMU_MMA_TF32>;
  execution().meet(kMeetMatrix + (kind << 8), 0xffffffffu, operands, complete, kind);
}

void load_matrix(uint32_t count, int transposed, const void* row, uint32_t* out) {
  LoadMatrix l = {static_cast<const unsigned char*>(row), out};
  const uint32_t detail = count | uint32_t(transposed != 0) << 8;
  execution().meet(kMeetLoadMatrix + (detail << 8), 0xffffffffu, &l, complete_load, detail);
}

}  // namespace gk_emu
