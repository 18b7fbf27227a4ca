// What processor this is: identity, instruction sets that the operating system also enables, cache sizes.
#ifndef GRIFFIN_CPU_INFO_H
#define GRIFFIN_CPU_INFO_H
#include <cstdint>
#include <string>
#include <vector>

namespace griffin {

struct CpuInfo {
  std::string name;
  std::string key;
  std::vector<std::string> isas;  // weakest first; each one implies those before it
  uint64_t l1d_bytes = 0;
  uint64_t l2_bytes = 0;
  uint64_t l3_bytes = 0;
};

CpuInfo read_cpu_info();

}  // namespace griffin

#endif
