#include "device_memory.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace griffin::cuda {
namespace {

constexpr uint64_t kCanaryBytes = 1024;  // on each side; a multiple of the alignment
// A write up to this size is copied and sent off; a larger one keeps its caller until the driver has taken it.
constexpr uint64_t kLetterBytes = uint64_t{256} << 10;

// Depends on the position, so that a copied or shifted canary does not look intact; never 0, which is what stray stores write most.
uint8_t canary(uint64_t position) { return static_cast<uint8_t>(1 + (position * 151 + (position >> 8) * 29 + 77) % 255); }

PinnedRing::Wait waiter(Gpu& gpu, const std::string& what) {
  return [&gpu, &what](CUevent event) { gpu.wait_for(event, what); };
}

// From the host through page-locked slots.
void send(Gpu& gpu, PinnedRing& ring, CUdeviceptr to, const uint8_t* from, uint64_t bytes, const std::string& what) {
  const auto wait = waiter(gpu, what);
  for (uint64_t at = 0; at < bytes; at += ring.slot_bytes()) {
    const uint64_t count = std::min(ring.slot_bytes(), bytes - at);
    const PinnedRing::Slot slot = ring.next(wait);
    std::memcpy(slot.data, from + at, count);
    gpu.check(gpu.context()->api().cuMemcpyHtoDAsync_v2(to + at, slot.data, count, gpu.stream()), what);
    ring.sent(slot, gpu.stream(), what);
  }
}

class Letter : public DetachedJob {
 public:
  Letter(std::string what, std::shared_ptr<Allocation> memory, CUdeviceptr to, const void* from, uint64_t bytes)
      : DetachedJob(std::move(what)),
        memory_(std::move(memory)),
        to_(to),
        bytes_(static_cast<const uint8_t*>(from), static_cast<const uint8_t*>(from) + bytes) {}
  void issue(Gpu& gpu) override {
    send(gpu, bytes_.size() <= gpu.letters().slot_bytes() ? gpu.letters() : gpu.staging(), to_, bytes_.data(), bytes_.size(), what);
  }

 private:
  std::shared_ptr<Allocation> memory_;
  CUdeviceptr to_;
  std::vector<uint8_t> bytes_;
};

class Parcel : public Job {
 public:
  Parcel(std::string what, CUdeviceptr to, const void* from, uint64_t bytes) : Job(std::move(what)), to_(to), from_(from), bytes_(bytes) {}
  void issue(Gpu& gpu) override { send(gpu, gpu.staging(), to_, static_cast<const uint8_t*>(from_), bytes_, what); }
  void finished() override {}

 private:
  CUdeviceptr to_;
  const void* from_;
  uint64_t bytes_;
};

class Read : public Job {
 public:
  Read(std::string what, CUdeviceptr from, void* to, uint64_t bytes)
      : Job(std::move(what)), from_(from), to_(static_cast<uint8_t*>(to)), bytes_(bytes) {}
  void issue(Gpu& gpu) override {
    PinnedRing& ring = gpu.staging();
    const auto wait = waiter(gpu, what);
    struct Piece {
      PinnedRing::Slot slot;
      uint64_t at, count;
    };
    std::vector<Piece> under_way;
    const auto collect = [&] {
      const Piece piece = under_way.front();
      under_way.erase(under_way.begin());
      ring.arrive(piece.slot, wait);
      std::memcpy(to_ + piece.at, piece.slot.data, piece.count);
    };
    for (uint64_t at = 0; at < bytes_; at += ring.slot_bytes()) {
      const uint64_t count = std::min(ring.slot_bytes(), bytes_ - at);
      if (under_way.size() == 2) collect();
      const PinnedRing::Slot slot = ring.next(wait);
      gpu.check(gpu.context()->api().cuMemcpyDtoHAsync_v2(slot.data, from_ + at, count, gpu.stream()), what);
      ring.sent(slot, gpu.stream(), what);
      under_way.push_back({slot, at, count});
    }
    while (!under_way.empty()) collect();
  }
  void finished() override {}

 private:
  CUdeviceptr from_;
  uint8_t* to_;
  uint64_t bytes_;
};

class Fill : public DetachedJob {
 public:
  Fill(std::string what, std::shared_ptr<Allocation> memory, CUdeviceptr to, uint8_t byte, uint64_t bytes)
      : DetachedJob(std::move(what)), memory_(std::move(memory)), to_(to), byte_(byte), bytes_(bytes) {}
  void issue(Gpu& gpu) override { gpu.check(gpu.context()->api().cuMemsetD8Async(to_, byte_, bytes_, gpu.stream()), what); }

 private:
  std::shared_ptr<Allocation> memory_;
  CUdeviceptr to_;
  uint8_t byte_;
  uint64_t bytes_;
};

class Nothing : public Job {
 public:
  using Job::Job;
  void issue(Gpu&) override {}
  void finished() override {}
};

CUdeviceptr allocate_block(Gpu& gpu, uint64_t bytes, const std::string& label) {
  try {
    return gpu.arena()->allocate(bytes, label);
  } catch (const OutOfMemory&) {
    // Queued work may still hold what its owners have let go of.
    Nothing all_before(label + ": waiting for memory");
    gpu.run_now(all_before);
    return gpu.arena()->allocate(bytes, label);
  }
}

}  // namespace

std::shared_ptr<DeviceMemory> DeviceMemory::allocate(Gpu& gpu, uint64_t bytes, bool guarded, Contents contents, const std::string& label) {
  gpu.check_running();
  // Where every access is checked against its buffer, a margin would only hide what is past the end.
  const uint64_t margin = guarded && !gpu.arena()->exact() ? kCanaryBytes : 0;
  std::shared_ptr<DeviceMemory> memory(new DeviceMemory());
  memory->allocation_ = std::make_shared<Allocation>(gpu.arena(), allocate_block(gpu, bytes + 2 * margin, label));
  memory->address_ = memory->allocation_->address + margin;
  memory->bytes_ = bytes;
  memory->margin_ = margin;
  gpu.bytes()->fetch_add(bytes);
  memory->counter_ = gpu.bytes();
  if (margin > 0) {
    std::vector<uint8_t> canaries(2 * margin);
    for (uint64_t i = 0; i < canaries.size(); i++) canaries[i] = canary(i);
    write_memory(gpu, *memory, memory->before(), canaries.data(), margin, label + " canaries");
    write_memory(gpu, *memory, memory->after(), canaries.data() + margin, margin, label + " canaries");
  }
  if (contents == Contents::kZero) fill_memory(gpu, *memory, memory->address_, 0, bytes, label);
  return memory;
}

DeviceMemory::~DeviceMemory() {
  if (counter_) counter_->fetch_sub(bytes_);
}

DeviceMemory::Damage DeviceMemory::damage(const uint8_t* before, const uint8_t* after) const {
  Damage damage;
  for (uint64_t i = margin_; i-- > 0 && !damage.before;)
    if (before[i] != canary(i)) {
      damage.before = true;
      damage.before_offset = static_cast<int64_t>(i) - static_cast<int64_t>(margin_);
    }
  for (uint64_t i = 0; i < margin_ && !damage.after; i++)
    if (after[i] != canary(margin_ + i)) {
      damage.after = true;
      damage.after_offset = static_cast<int64_t>(bytes_ + i);
    }
  return damage;
}

void write_memory(Gpu& gpu, const DeviceMemory& memory, CUdeviceptr to, const void* from, uint64_t bytes, const std::string& label) {
  if (bytes == 0) return gpu.check_running();
  const std::string what = "writing " + std::to_string(bytes) + " bytes to " + label;
  if (bytes <= kLetterBytes) return gpu.submit(std::make_unique<Letter>(what, memory.allocation(), to, from, bytes));
  Parcel parcel(what, to, from, bytes);
  gpu.run_now(parcel);
}

void read_memory(Gpu& gpu, CUdeviceptr from, void* to, uint64_t bytes, const std::string& label) {
  if (bytes == 0) return gpu.check_running();
  Read read("reading " + std::to_string(bytes) + " bytes from " + label, from, to, bytes);
  gpu.run_now(read);
}

void fill_memory(Gpu& gpu, const DeviceMemory& memory, CUdeviceptr to, uint8_t byte, uint64_t bytes, const std::string& label) {
  if (bytes == 0) return gpu.check_running();
  gpu.submit(std::make_unique<Fill>("filling " + std::to_string(bytes) + " bytes of " + label, memory.allocation(), to, byte, bytes));
}

}  // namespace griffin::cuda
