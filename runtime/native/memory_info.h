// How much memory there is and how much is left, with control group limits taken into account.
#ifndef GRIFFIN_MEMORY_INFO_H
#define GRIFFIN_MEMORY_INFO_H
#include <cstdint>

namespace griffin {

struct MemoryInfo {
  uint64_t total_bytes;
  uint64_t available_bytes;
};

MemoryInfo read_memory_info();

}  // namespace griffin

#endif
