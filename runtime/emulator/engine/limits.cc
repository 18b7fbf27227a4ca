#include <stdexcept>

#include "engine.h"

namespace gk_emu {

// CUDA C++ Programming Guide, "Technical Specifications per Compute Capability". Two multiprocessors more or less change no result; four are
// enough to see what a grid does that is larger or smaller than the device.
Limits limits_of(int capability) {
  Limits l;
  l.capability = capability;
  const auto set = [&l](uint32_t block_kib, uint32_t multiprocessor_kib, uint32_t threads, uint32_t blocks) {
    l.shared_block = block_kib * 1024;
    l.shared_multiprocessor = multiprocessor_kib * 1024;
    l.threads_multiprocessor = threads;
    l.blocks_multiprocessor = blocks;
  };
  switch (capability) {
    case 80: set(163, 164, 2048, 32); break;
    case 86: set(99, 100, 1536, 16); break;
    case 87: set(163, 164, 1536, 16); break;
    case 89: set(99, 100, 1536, 24); break;
    case 90: case 100: case 103: set(227, 228, 2048, 32); break;
    case 120: case 121: set(99, 100, 1536, 24); break;
    default: throw std::invalid_argument("no limits known for compute capability " + std::to_string(capability / 10) + "." + std::to_string(capability % 10));
  }
  return l;
}

}  // namespace gk_emu
