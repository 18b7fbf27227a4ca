// Element types of weights and their conversions, on bits.
#ifndef GRIFFIN_ELEMENT_H
#define GRIFFIN_ELEMENT_H
#include <cstdint>
#include <cstring>

namespace griffin {

enum class ElementType : uint32_t { kF32 = 0, kF16 = 1, kBf16 = 2 };

inline uint64_t bytes_of(ElementType type) { return type == ElementType::kF32 ? 4 : 2; }

inline float float_from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t bits_of_float(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float from_bf16(uint16_t bits) { return float_from_bits(uint32_t{bits} << 16); }

inline float from_f16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16, exponent = (bits >> 10) & 0x1fu, mantissa = bits & 0x3ffu;
  if (exponent == 0x1f) return float_from_bits(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0) return float_from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal or zero, exact
  return sign != 0 ? -magnitude : magnitude;
}

// Round to nearest, ties to even. For finite values.
inline uint16_t to_bf16(float value) {
  const uint32_t bits = bits_of_float(value);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// Round to nearest, ties to even; past the largest finite value it gives infinity. For finite values. Without branches, so that loops
// over it can be vectorised.
inline uint16_t to_f16(float value) {
  const uint32_t bits = bits_of_float(value);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
  // Subnormal: adding 0.5 leaves the value in units of 2^-24, rounded, in the low mantissa bits.
  const uint32_t subnormal = bits_of_float(float_from_bits(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
  return static_cast<uint16_t>(sign | (magnitude >= 0x477ff000u ? 0x7c00u : finite));
}

}  // namespace griffin

#endif
