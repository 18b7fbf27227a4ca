// One zero-filled allocation, shared by the buffers, views, plans and queued work that use it.
#ifndef GRIFFIN_MEMORY_H
#define GRIFFIN_MEMORY_H
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace griffin {

// Bytes held by live allocations; outlives the device that it counts for.
using ByteCounter = std::shared_ptr<std::atomic<uint64_t>>;

class Memory {
 public:
  // Payload 64-byte aligned. From 2 MiB on it is mapped on its own and asks for huge pages: weights are streamed once per token, and
  // with 4 KiB pages the page walks alone cost a good part of the bandwidth. Throws Failure(kDevice) with the sizes when memory runs out.
  static std::shared_ptr<Memory> allocate(uint64_t bytes, bool guarded, const std::string& label, ByteCounter counter);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  uint8_t* data() const { return payload_; }
  uint64_t bytes() const { return bytes_; }
  bool guarded() const { return guarded_; }

  struct Damage {
    bool before = false, after = false;
    int64_t before_offset = 0, after_offset = 0;  // relative to the payload's start
  };
  // The damaged canary nearest to the payload's start, and the first one after its end.
  Damage check_canaries() const;

 private:
  Memory() = default;
  void* base_ = nullptr;
  uint64_t mapped_bytes_ = 0;  // 0: from the heap
  uint8_t* payload_ = nullptr;
  uint64_t bytes_ = 0;
  bool guarded_ = false;
  ByteCounter counter_;
};

}  // namespace griffin

#endif
