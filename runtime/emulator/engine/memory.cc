#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <new>

namespace gk_emu {
namespace {

constexpr uint64_t kAlignment = 256;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kMostQuarantined = uint64_t(256) << 20;
constexpr uint64_t kMostRemembered = 4096;  // freed allocations

// Address space without memory behind it until it is touched.
unsigned char* reserve(uint64_t bytes) {
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  madvise(p, bytes, MADV_DONTDUMP);
  return static_cast<unsigned char*>(p);
}

uint64_t round_up(uint64_t x, uint64_t to) { return (x + to - 1) / to * to; }

// Makes [p, p + bytes) zero, giving whole pages back to the system where that is cheaper than writing.
void zero(void* start, uint64_t bytes) {
  unsigned char* const p = static_cast<unsigned char*>(start);
  if (bytes < 16 * kPage) {
    memset(p, 0, bytes);
    return;
  }
  const uintptr_t address = reinterpret_cast<uintptr_t>(p);
  const uint64_t head = round_up(address, kPage) - address;
  const uint64_t whole = (bytes - head) / kPage * kPage;
  memset(p, 0, head);
  if (madvise(p + head, whole, MADV_DONTNEED) != 0) memset(p + head, 0, whole);
  memset(p + head + whole, 0, bytes - head - whole);
}

}  // namespace

DeviceMemory::DeviceMemory(bool checked) : checked_(checked) {
  // Less where the process may not have so much address space.
  for (uint64_t size = uint64_t(64) << 30; size >= uint64_t(1) << 30; size /= 4) {
    base_ = reserve(size);
    if (base_ && checked) {
      states_ = reserve(size);
      cells_ = reinterpret_cast<Cell*>(reserve(size / 4 * sizeof(Cell)));
      touched_ = reserve(size / kPage);
    }
    if (base_ && (!checked || (states_ && cells_ && touched_))) {
      size_ = size;
      break;
    }
    if (base_) munmap(base_, size);
    if (states_) munmap(states_, size);
    if (cells_) munmap(cells_, size / 4 * sizeof(Cell));
    if (touched_) munmap(touched_, size / kPage);
    base_ = states_ = touched_ = nullptr;
    cells_ = nullptr;
  }
  if (!size_) throw std::bad_alloc();
  free_[kMostCluster * kSharedStride] = size_;
}

DeviceMemory::~DeviceMemory() {
  munmap(base_, size_);
  if (!checked_) return;
  munmap(states_, size_);
  munmap(cells_, size_ / 4 * sizeof(Cell));
  munmap(touched_, size_ / kPage);
}

void* DeviceMemory::allocate(size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (bytes == 0 || bytes > size_) return nullptr;
  // The longer an allocation, the longer the strides that kernels walk in it.
  const uint64_t guard = round_up(std::clamp<uint64_t>(bytes / 16, kAlignment, 64 * 1024), kAlignment);
  const uint64_t need = guard + round_up(bytes, kAlignment) + guard;
  const auto find = [&] {
    return std::find_if(free_.begin(), free_.end(), [need](const auto& range) { return range.second - range.first >= need; });
  };
  auto range = find();
  while (range == free_.end() && !quarantine_.empty()) {
    leave_quarantine();
    range = find();
  }
  if (range == free_.end()) return nullptr;
  const uint64_t from = range->first, to = from + need, end = range->second;
  free_.erase(range);
  if (to < end) free_[to] = end;
  const uint64_t offset = from + guard;
  allocations_[offset] = Allocation{next_number_++, bytes, from, to, false};
  if (checked_) {
    memset(base_ + offset, 0xff, bytes);  // NaN in every floating-point format
    memset(states_ + offset, kUninitialised, bytes);
  }
  return base_ + offset;
}

bool DeviceMemory::release(void* p) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!owns(p)) return false;
  const auto found = allocations_.find(offset_of(p));
  if (found == allocations_.end() || found->second.freed) return false;
  Allocation& a = found->second;
  if (!checked_) {
    give_back(a.from, a.to);
    allocations_.erase(found);
    return true;
  }
  a.freed = true;
  memset(states_ + found->first, kFreed, a.bytes);
  quarantine_.push_back(found->first);
  quarantined_ += a.bytes;
  while (quarantined_ > kMostQuarantined || quarantine_.size() > kMostRemembered) leave_quarantine();
  return true;
}

void DeviceMemory::leave_quarantine() {
  const auto found = allocations_.find(quarantine_.front());
  quarantine_.pop_front();
  const Allocation a = found->second;
  quarantined_ -= a.bytes;
  zero(states_ + found->first, a.bytes);
  clear_cells(found->first, found->first + a.bytes);
  allocations_.erase(found);
  give_back(a.from, a.to);
}

void DeviceMemory::give_back(uint64_t from, uint64_t to) {
  if (to - from >= 16 * kPage) {
    const uint64_t first = round_up(from, kPage), last = to / kPage * kPage;
    madvise(base_ + first, last - first, MADV_DONTNEED);
  }
  auto next = free_.lower_bound(from);
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->second == from) {
      from = before->first;
      free_.erase(before);
    }
  }
  if (next != free_.end() && next->first == to) {
    to = next->second;
    free_.erase(next);
  }
  free_[from] = to;
}

// Only where a kernel left something: most of a large upload was never looked at.
void DeviceMemory::clear_cells(uint64_t from, uint64_t to) {
  for (uint64_t page = from / kPage; page * kPage < to; ++page) {
    if (!touched_[page]) continue;
    const uint64_t first = std::max(from, page * kPage), last = std::min(to, (page + 1) * kPage);
    for (uint64_t word = first / 4; word < round_up(last, 4) / 4; ++word) {
      if (cells_[word].write == kSplit) retired_.push_back(cells_[word].read[0]);
      cells_[word] = Cell{};
    }
    if (first == page * kPage && last == (page + 1) * kPage) touched_[page] = 0;
  }
}

std::vector<uint64_t> DeviceMemory::take_retired() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::move(retired_);
}

bool DeviceMemory::contains(const void* p, size_t bytes) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!owns(p)) return false;
  const uint64_t offset = offset_of(p);
  const auto a = nearest(offset);
  return a != allocations_.end() && !a->second.freed && offset >= a->first && bytes <= a->second.bytes && offset - a->first <= a->second.bytes - bytes;
}

void DeviceMemory::wrote(const void* p, size_t bytes) {
  if (!checked_) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!owns(p) || bytes == 0) return;
  const uint64_t offset = offset_of(p);
  memset(states_ + offset, kInitialised, bytes);
  clear_cells(offset, offset + bytes);
}

// The allocation that holds the offset or whose guard zones do; of two whose zones meet, the one that ends before.
std::map<uint64_t, DeviceMemory::Allocation>::const_iterator DeviceMemory::nearest(uint64_t offset) const {
  auto next = allocations_.upper_bound(offset);
  if (next != allocations_.begin()) {
    const auto before = std::prev(next);
    if (offset < before->second.to) return before;
  }
  if (next != allocations_.end() && offset >= next->second.from) return next;
  return allocations_.end();
}

std::string DeviceMemory::describe(const void* p) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  char text[160];
  if (!owns(p) || is_shared(offset_of(p))) {
    snprintf(text, sizeof text, "%p, which is no global memory of this device", p);
    return text;
  }
  const uint64_t offset = offset_of(p);
  const auto found = nearest(offset);
  if (found == allocations_.end()) {
    snprintf(text, sizeof text, "%p, which lies in no allocation", p);
    return text;
  }
  const Allocation& a = found->second;
  const char* const freed = a.freed ? "freed " : "";
  if (offset < found->first) {
    snprintf(text, sizeof text, "%" PRIu64 " bytes before %sallocation #%" PRIu64 " (%zu bytes)", found->first - offset, freed, a.number, a.bytes);
  } else if (offset >= found->first + a.bytes) {
    snprintf(text, sizeof text, "%" PRIu64 " bytes past the end of %sallocation #%" PRIu64 " (%zu bytes)", offset - found->first - a.bytes, freed, a.number, a.bytes);
  } else {
    snprintf(text, sizeof text, "%sallocation #%" PRIu64 " (%zu bytes) + %" PRIu64, freed, a.number, a.bytes, offset - found->first);
  }
  return text;
}

}  // namespace gk_emu
