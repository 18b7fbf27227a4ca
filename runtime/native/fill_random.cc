#include "fill_random.h"

#include <algorithm>

namespace griffin {
namespace {

constexpr uint64_t kUnitBytes = 1u << 20;

struct Fill {
  uint8_t* data;
  uint64_t bytes;
  ElementType type;
  uint64_t seed;
  float scale;
};

// The output function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), applied to a counter.
uint64_t mix(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Eight bytes of elements from one 64-bit draw: two f32 of 32 random bits, or four 2-byte elements of 16 random bits.
uint64_t draw(const Fill& fill, uint64_t index) {
  const uint64_t random = mix(fill.seed, index);
  uint64_t packed = 0;
  if (fill.type == ElementType::kF32) {
    for (int i = 0; i < 2; i++) {
      const auto centred = static_cast<int32_t>(random >> (32 * i));
      packed |= uint64_t{bits_of_float(static_cast<float>(centred) * 0x1p-31f * fill.scale)} << (32 * i);
    }
    return packed;
  }
  for (int i = 0; i < 4; i++) {
    const auto centred = static_cast<int16_t>(random >> (16 * i));
    const float value = static_cast<float>(centred) * 0x1p-15f * fill.scale;
    packed |= uint64_t{fill.type == ElementType::kBf16 ? to_bf16(value) : to_f16(value)} << (16 * i);
  }
  return packed;
}

void fill_units(void* context, int64_t begin, int64_t end, unsigned) {
  const Fill& fill = *static_cast<const Fill*>(context);
  const uint64_t last = std::min(fill.bytes, static_cast<uint64_t>(end) * kUnitBytes);
  for (uint64_t at = static_cast<uint64_t>(begin) * kUnitBytes; at < last; at += 8) {
    const uint64_t packed = draw(fill, at / 8);
    std::memcpy(fill.data + at, &packed, std::min<uint64_t>(8, last - at));
  }
}

}  // namespace

void fill_random(Device& device, uint8_t* data, uint64_t bytes, ElementType type, uint64_t seed, float scale) {
  // Neighbouring seeds must not give the same sequence shifted by one, so the seed is mixed before it starts the counter.
  Fill fill{data, bytes, type, mix(seed, ~uint64_t{0} - 1), scale};
  constexpr int64_t kUnitsPerRound = 256;
  const auto units = static_cast<int64_t>((bytes + kUnitBytes - 1) / kUnitBytes);
  for (int64_t unit = 0; unit < units; unit += kUnitsPerRound) {
    device.check_running();
    struct Window {
      Fill* fill;
      int64_t first;
    } window{&fill, unit};
    device.pool().parallel(
        std::min(kUnitsPerRound, units - unit),
        [](void* context, int64_t from, int64_t to, unsigned thread) {
          const auto* w = static_cast<const Window*>(context);
          fill_units(w->fill, w->first + from, w->first + to, thread);
        },
        &window);
  }
}

}  // namespace griffin
