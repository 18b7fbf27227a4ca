#include "report.h"

#include <cinttypes>
#include <cstdio>
#include <map>

#include "checks.h"
#include "execution.h"

namespace gk_emu {
namespace {

std::string numbers(const std::vector<uint32_t>& sorted) {
  std::string text;
  for (size_t i = 0; i < sorted.size();) {
    size_t end = i;
    while (end + 1 < sorted.size() && sorted[end + 1] == sorted[end] + 1) ++end;
    if (!text.empty()) text += ", ";
    text += std::to_string(sorted[i]);
    if (end > i) text += "-" + std::to_string(sorted[end]);
    i = end + 1;
  }
  return text;
}

}  // namespace

const char* collective_name(uint32_t operation) {
  switch (operation & 255) {
    case kMeetSyncWarp: return "__syncwarp";
    case kMeetShuffle: return "a shuffle";
    case kMeetVote: return "a vote";
    case kMeetMatch: return "__match_any_sync";
    case kMeetReduce: return "a warp reduction";
    case kMeetMatrix: return "a matrix instruction";
    case kMeetLoadMatrix: return "a matrix load";
    default: return "a collective";
  }
}

std::string hexadecimal(uint64_t x) {
  char text[24];
  snprintf(text, sizeof text, "0x%" PRIx64, x);
  return text;
}

std::string lane_list(uint32_t lanes) {
  std::vector<uint32_t> list;
  for (uint32_t i = 0; i < 32; ++i) {
    if (lanes >> i & 1) list.push_back(i);
  }
  return numbers(list);
}

std::string Execution::place(const Thread& t) const {
  const Block& b = *t.owner;
  char text[96];
  snprintf(text, sizeof text, ", block (%u,%u,%u), thread %u", b.index.x, b.index.y, b.index.z, t.number);
  return std::string("kernel ") + request->name + text;
}

std::string Execution::waiting_report() const {
  std::string text;
  for (uint32_t rank = 0; rank < cluster; ++rank) {
    const Block& b = blocks[rank];
    std::map<std::string, std::vector<uint32_t>> groups;
    for (uint32_t i = 0; i < b.count; ++i) {
      const Thread& t = b.first[i];
      if (b.warps[i / 32].exited >> (i % 32) & 1) {
        groups["have ended"].push_back(i);
        continue;
      }
      if (!t.fiber) {
        groups["have not begun"].push_back(i);
        continue;
      }
      switch (t.wait) {
        case Wait::kNone: groups["can run"].push_back(i); break;
        case Wait::kBlockBarrier: groups["wait at __syncthreads"].push_back(i); break;
        case Wait::kCluster: groups["wait at the cluster barrier"].push_back(i); break;
        case Wait::kNamedBarrier: {
          const NamedBarrier& n = b.named[t.wait_detail];
          groups["wait at named barrier " + std::to_string(t.wait_detail) + " (" + std::to_string(n.arrived) + " of " + std::to_string(n.expected) + " came)"].push_back(i);
          break;
        }
        case Wait::kCollective:
          groups[std::string("wait in ") + collective_name(t.wait_detail) + " with mask " + hexadecimal(t.wait_mask)].push_back(i);
          break;
        case Wait::kTransaction: {
          std::string what = "wait for the transaction barrier at " + describe(t.wait_address);
          for (const Transaction& x : b.transactions) {
            if (x.address != t.wait_address) continue;
            int64_t flying = 0;
            for (const PendingCopy& c : x.copies) flying += c.bytes;
            what += " (phase " + std::to_string(x.phase) + " lacks " + std::to_string(x.pending) + " arrivals and " + std::to_string(x.expected - flying) + " bytes of copies)";
          }
          groups[what].push_back(i);
          break;
        }
      }
    }
    if (!text.empty()) text += "; ";
    char head[64];
    snprintf(head, sizeof head, "block (%u,%u,%u): ", b.index.x, b.index.y, b.index.z);
    text += head;
    bool first = true;
    for (const auto& [what, threads] : groups) {
      if (!first) text += ", ";
      first = false;
      text += "threads " + numbers(threads) + " " + what;
    }
  }
  return text;
}

std::string Execution::describe_shared(uint32_t rank, uint64_t offset) const {
  char text[200];
  const char* where = "";
  char other[48] = "";
  if (cluster > 1) {
    snprintf(other, sizeof other, " of block %u of the cluster", rank);
    where = other;
  }
  if (offset >= dynamic_offset && offset < dynamic_offset + request->shared_bytes) {
    snprintf(text, sizeof text, "dynamic shared memory (%u bytes)%s + %" PRIu64, request->shared_bytes, where, offset - dynamic_offset);
    return text;
  }
  // The array that holds it; else the one that ends before, or begins after.
  const SharedArray* before = nullptr;
  const SharedArray* after = nullptr;
  for (const SharedArray& a : arrays) {
    if (offset >= a.offset && offset < a.offset + a.site->bytes) {
      snprintf(text, sizeof text, "shared array '%s'[%" PRIu64 "] (%u bytes)%s + %" PRIu64, a.site->name, (offset - a.offset) / a.site->element, a.site->bytes, where,
               offset - a.offset);
      return text;
    }
    if (a.offset <= offset && (!before || a.offset > before->offset)) before = &a;
    if (a.offset > offset && (!after || a.offset < after->offset)) after = &a;
  }
  const bool dynamic = request->shared_bytes != 0;
  if (before) {
    snprintf(text, sizeof text, "%" PRIu64 " bytes past the end of shared array '%s' (%u bytes, index %" PRIu64 ")%s", offset - before->offset - before->site->bytes,
             before->site->name, before->site->bytes, (offset - before->offset) / before->site->element, where);
  } else if (dynamic && offset >= dynamic_offset + request->shared_bytes) {
    snprintf(text, sizeof text, "%" PRIu64 " bytes past the end of dynamic shared memory (%u bytes)%s", offset - dynamic_offset - request->shared_bytes,
             request->shared_bytes, where);
  } else if (dynamic && offset < dynamic_offset) {
    snprintf(text, sizeof text, "%" PRIu64 " bytes before dynamic shared memory (%u bytes)%s", dynamic_offset - offset, request->shared_bytes, where);
  } else if (after) {
    snprintf(text, sizeof text, "%" PRIu64 " bytes before shared array '%s' (%u bytes)%s", after->offset - offset, after->site->name, after->site->bytes, where);
  } else {
    snprintf(text, sizeof text, "shared memory%s + %" PRIu64 ", where nothing was declared", where, offset);
  }
  return text;
}

std::string Execution::describe(const void* p) const {
  if (memory.owns(p) && memory.is_shared(memory.offset_of(p))) {
    const uint64_t offset = memory.offset_of(p);
    return describe_shared(uint32_t(offset / kSharedStride), offset % kSharedStride);
  }
  return memory.describe(p);
}

}  // namespace gk_emu
