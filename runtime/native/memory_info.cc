#include "memory_info.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "text_file.h"

namespace griffin {
namespace {

uint64_t kilobytes(const std::string& text, const char* field) {
  const auto value = find_field(text, field);
  return value ? std::strtoull(value->c_str(), nullptr, 10) << 10 : 0;
}

void lower_to_group(const ControlGroup& group, MemoryInfo& info) {
  const auto limit = read_number(group.folder + (group.v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  const auto used = read_number(group.folder + (group.v2 ? "/memory.current" : "/memory.usage_in_bytes"));
  if (!limit || !used || *limit > info.total_bytes) return;
  // Cached file pages count as used but are given back on demand.
  uint64_t reclaimable = 0;
  if (const auto stat = read_text(group.folder + "/memory.stat"))
    if (const auto value = find_field(*stat, group.v2 ? "inactive_file" : "total_inactive_file"))
      reclaimable = std::strtoull(value->c_str(), nullptr, 10);
  const uint64_t held = *used > reclaimable ? *used - reclaimable : 0;
  info.total_bytes = std::min(info.total_bytes, *limit);
  info.available_bytes = std::min(info.available_bytes, *limit > held ? *limit - held : 0);
}

}  // namespace

MemoryInfo read_memory_info() {
  MemoryInfo info{0, 0};
  if (const auto text = read_text("/proc/meminfo")) {
    info.total_bytes = kilobytes(*text, "MemTotal");
    info.available_bytes = kilobytes(*text, "MemAvailable");
  }
  if (info.total_bytes == 0) {
    info.total_bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    info.available_bytes = static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  for (const ControlGroup& group : control_groups("memory")) lower_to_group(group, info);
  return info;
}

}  // namespace griffin
