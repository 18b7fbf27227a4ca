// Seeded pseudo-random contents for synthetic weights.
#ifndef GRIFFIN_FILL_RANDOM_H
#define GRIFFIN_FILL_RANDOM_H
#include <cstdint>

#include "device.h"
#include "element.h"

namespace griffin {

// Contents are made in units of this size, each from the seed and its number alone.
constexpr uint64_t kRandomUnitBytes = uint64_t{1} << 20;

// Fills the first `bytes` bytes of unit `unit` (at most a whole one) of the contents that `seed` stands for.
void fill_random_unit(uint8_t* data, uint64_t bytes, ElementType type, uint64_t seed, uint64_t unit, float scale);

// Fills `bytes` bytes with elements uniform in [-scale, scale]. An element depends on the seed and its index alone.
void fill_random(Device& device, uint8_t* data, uint64_t bytes, ElementType type, uint64_t seed, float scale);

}  // namespace griffin

#endif
