// Seeded pseudo-random contents for synthetic weights.
#ifndef GRIFFIN_FILL_RANDOM_H
#define GRIFFIN_FILL_RANDOM_H
#include <cstdint>

#include "device.h"
#include "element.h"

namespace griffin {

// Fills `bytes` bytes with elements uniform in [-scale, scale]. An element depends on the seed and its index alone.
void fill_random(Device& device, uint8_t* data, uint64_t bytes, ElementType type, uint64_t seed, float scale);

}  // namespace griffin

#endif
