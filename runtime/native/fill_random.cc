#include "fill_random.h"

#include <algorithm>

namespace griffin {
namespace {

constexpr int64_t kUnitsPerRound = 256;  // between two looks at the device's state

// The loops below are plain integer and float arithmetic, one element like the next: with wider vectors they run several times as
// fast and give the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define GRIFFIN_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define GRIFFIN_VECTOR_CLONES
#endif

struct Fill {
  uint8_t* data;
  uint64_t bytes;
  ElementType type;
  uint64_t seed;
  float scale;
  int64_t first_unit;
};

// The output function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), applied to a counter.
uint64_t mix(uint64_t seed, uint64_t counter) {
  uint64_t z = seed + (counter + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// 32 bits for a word of a unit: a counter through the 32-bit finaliser of MurmurHash3 (Appleby, 2011).
inline uint32_t word_bits(uint64_t unit_seed, uint32_t index) {
  uint32_t x = static_cast<uint32_t>(unit_seed) + index * 0x9e3779b9u;
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16) ^ static_cast<uint32_t>(unit_seed >> 32);
}

// One f32 of 32 random bits.
inline uint32_t f32_word(uint32_t random, float scale) {
  return bits_of_float(static_cast<float>(static_cast<int32_t>(random)) * 0x1p-31f * scale);
}

// Two elements of 16 random bits each.
template <uint16_t (*Narrow)(float)>
inline uint32_t pair_word(uint32_t random, float scale) {
  const float low = static_cast<float>(static_cast<int16_t>(random)) * 0x1p-15f * scale;
  const float high = static_cast<float>(static_cast<int32_t>(random) >> 16) * 0x1p-15f * scale;
  return uint32_t{Narrow(high)} << 16 | Narrow(low);
}

GRIFFIN_VECTOR_CLONES void fill_f32(uint32_t* words, uint32_t count, uint64_t seed, float scale) {
  for (uint32_t i = 0; i < count; i++) words[i] = f32_word(word_bits(seed, i), scale);
}
GRIFFIN_VECTOR_CLONES void fill_f16(uint32_t* words, uint32_t count, uint64_t seed, float scale) {
  for (uint32_t i = 0; i < count; i++) words[i] = pair_word<to_f16>(word_bits(seed, i), scale);
}
GRIFFIN_VECTOR_CLONES void fill_bf16(uint32_t* words, uint32_t count, uint64_t seed, float scale) {
  for (uint32_t i = 0; i < count; i++) words[i] = pair_word<to_bf16>(word_bits(seed, i), scale);
}

void fill_words(ElementType type, uint32_t* words, uint32_t count, uint64_t seed, float scale) {
  if (type == ElementType::kF32) fill_f32(words, count, seed, scale);
  else if (type == ElementType::kF16) fill_f16(words, count, seed, scale);
  else fill_bf16(words, count, seed, scale);
}

void fill_units(void* context, int64_t begin, int64_t end, unsigned) {
  const Fill& fill = *static_cast<const Fill*>(context);
  for (int64_t i = begin; i < end; i++) {
    const auto unit = static_cast<uint64_t>(fill.first_unit + i);
    const uint64_t at = unit * kRandomUnitBytes;
    fill_random_unit(fill.data + at, std::min(kRandomUnitBytes, fill.bytes - at), fill.type, fill.seed, unit, fill.scale);
  }
}

}  // namespace

void fill_random_unit(uint8_t* data, uint64_t bytes, ElementType type, uint64_t seed, uint64_t unit, float scale) {
  // Neighbouring seeds must not give the same sequence shifted by one, so the seed is mixed before it starts the counter.
  const uint64_t unit_seed = mix(mix(seed, 0), unit);
  const auto words = static_cast<uint32_t>(bytes / 4);
  fill_words(type, reinterpret_cast<uint32_t*>(data), words, unit_seed, scale);
  if (bytes % 4 == 0) return;
  // The tail is the start of the word that a longer buffer would have there.
  const uint32_t random = word_bits(unit_seed, words);
  const uint32_t word = type == ElementType::kF32   ? f32_word(random, scale)
                        : type == ElementType::kF16 ? pair_word<to_f16>(random, scale)
                                                    : pair_word<to_bf16>(random, scale);
  std::memcpy(data + 4 * uint64_t{words}, &word, bytes % 4);
}

void fill_random(Device& device, uint8_t* data, uint64_t bytes, ElementType type, uint64_t seed, float scale) {
  Fill fill{data, bytes, type, seed, scale, 0};
  const auto units = static_cast<int64_t>((bytes + kRandomUnitBytes - 1) / kRandomUnitBytes);
  for (; fill.first_unit < units; fill.first_unit += kUnitsPerRound) {
    device.check_running();
    device.pool().parallel(std::min(kUnitsPerRound, units - fill.first_unit), fill_units, &fill);
  }
}

}  // namespace griffin
