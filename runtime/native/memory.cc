#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "failure.h"
#include "memory_info.h"

namespace griffin {
namespace {

constexpr uint64_t kHugePage = 2u << 20;
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kCanaryBytes = 1024;  // on each side
constexpr uint64_t kLargest = uint64_t{1} << 46;

uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// Depends on the position, so that a copied or shifted canary does not look intact; never 0, which is what stray stores write most.
uint8_t canary(uint64_t position) { return static_cast<uint8_t>(1 + (position * 151 + (position >> 8) * 29 + 77) % 255); }

[[noreturn]] void fail(const std::string& label, uint64_t needed, uint64_t available, const char* why) {
  throw Failure(FailureKind::kDevice, label + ": needs " + std::to_string(needed) + " bytes of memory, available " +
                                          std::to_string(available) + " bytes (" + why + ")");
}

void* map_pages(uint64_t bytes) {
  // Over-reserve by one huge page, then give back what lies outside the aligned range.
  const uint64_t reserved = bytes + kHugePage;
  void* raw = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = round_up(start, kHugePage);
  if (aligned > start) munmap(raw, aligned - start);
  const uintptr_t end = start + reserved, used_end = aligned + bytes;
  if (end > used_end) munmap(reinterpret_cast<void*>(used_end), end - used_end);
  void* base = reinterpret_cast<void*>(aligned);
  madvise(base, bytes, MADV_HUGEPAGE);  // advice: without huge pages it works too, only slower
  return base;
}

}  // namespace

std::shared_ptr<Memory> Memory::allocate(uint64_t bytes, bool guarded, const std::string& label, ByteCounter counter) {
  const uint64_t margin = guarded ? kCanaryBytes : 0;
  if (bytes > kLargest) fail(label, bytes, read_memory_info().available_bytes, "no machine has that much");
  const uint64_t needed = std::max<uint64_t>(1, bytes + 2 * margin);  // to the byte, so that the address sanitizer sees its end
  std::shared_ptr<Memory> memory(new Memory());
  if (needed >= kHugePage) {
    // Linux promises memory that it does not have and kills the process at the first touch, so compare before asking.
    const MemoryInfo info = read_memory_info();
    if (needed > info.available_bytes) fail(label, bytes, info.available_bytes, "of the whole machine or its control group");
    const uint64_t held = counter->load();
    if (held + needed > info.total_bytes)
      fail(label, bytes, info.total_bytes > held ? info.total_bytes - held : 0, "the rest is promised to other buffers");
    const uint64_t mapped = round_up(needed, 4096);
    memory->base_ = map_pages(mapped);
    if (memory->base_ == nullptr) fail(label, bytes, info.available_bytes, std::strerror(errno));
    memory->mapped_bytes_ = mapped;
  } else {
    const int error = posix_memalign(&memory->base_, kAlignment, needed);
    if (error != 0) {
      memory->base_ = nullptr;
      fail(label, bytes, read_memory_info().available_bytes, std::strerror(error));
    }
    std::memset(memory->base_, 0, needed);
  }
  auto* base = static_cast<uint8_t*>(memory->base_);
  memory->payload_ = base + margin;
  memory->bytes_ = bytes;
  memory->guarded_ = guarded;
  for (uint64_t i = 0; i < margin; i++) {
    base[i] = canary(i);
    memory->payload_[bytes + i] = canary(margin + i);
  }
  counter->fetch_add(bytes);
  memory->counter_ = std::move(counter);
  return memory;
}

Memory::~Memory() {
  if (counter_) counter_->fetch_sub(bytes_);
  if (base_ == nullptr) return;
  if (mapped_bytes_ > 0) munmap(base_, mapped_bytes_);
  else std::free(base_);
}

Memory::Damage Memory::check_canaries() const {
  Damage damage;
  if (!guarded_) return damage;
  const uint8_t* before = payload_ - kCanaryBytes;
  for (uint64_t i = kCanaryBytes; i-- > 0 && !damage.before;)
    if (before[i] != canary(i)) {
      damage.before = true;
      damage.before_offset = static_cast<int64_t>(i) - static_cast<int64_t>(kCanaryBytes);
    }
  const uint8_t* after = payload_ + bytes_;
  for (uint64_t i = 0; i < kCanaryBytes && !damage.after; i++)
    if (after[i] != canary(kCanaryBytes + i)) {
      damage.after = true;
      damage.after_offset = static_cast<int64_t>(bytes_ + i);
    }
  return damage;
}

}  // namespace griffin
