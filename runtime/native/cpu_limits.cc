#include "cpu_limits.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "text_file.h"

namespace griffin {
namespace {

unsigned affinity_count() {
  // The kernel refuses a mask smaller than its own, so grow until it fits.
  for (int processors = 1024; processors <= (1 << 20); processors *= 4) {
    cpu_set_t* set = CPU_ALLOC(processors);
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(processors);
    const bool fits = sched_getaffinity(0, bytes, set) == 0;
    const int count = fits ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (fits && count > 0) return static_cast<unsigned>(count);
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

double quota_of(const ControlGroup& group) {
  if (group.v2) {
    const auto text = read_text(group.folder + "/cpu.max");
    if (!text) return INFINITY;
    char* rest = nullptr;
    const double quota = std::strtod(text->c_str(), &rest);
    if (rest == text->c_str()) return INFINITY;  // "max"
    const double period = std::strtod(rest, nullptr);
    return period > 0 ? quota / period : INFINITY;
  }
  const auto quota = read_number(group.folder + "/cpu.cfs_quota_us"), period = read_number(group.folder + "/cpu.cfs_period_us");
  return quota && period && *period > 0 ? static_cast<double>(*quota) / static_cast<double>(*period) : INFINITY;
}

}  // namespace

unsigned usable_cores() {
  double quota = INFINITY;
  for (const ControlGroup& group : control_groups("cpu")) quota = std::min(quota, quota_of(group));
  const unsigned allowed = affinity_count();
  if (quota >= allowed) return allowed;
  return std::max(1u, static_cast<unsigned>(std::ceil(quota)));
}

}  // namespace griffin
