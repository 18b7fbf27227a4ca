// One allocation of a GPU, shared by the buffers, views, plans and queued work that use it.
#ifndef GRIFFIN_CUDA_DEVICE_MEMORY_H
#define GRIFFIN_CUDA_DEVICE_MEMORY_H
#include <cstdint>
#include <memory>
#include <string>

#include "gpu.h"

namespace griffin::cuda {

// A block of the arena while somebody, be it only queued work, needs it.
struct Allocation {
  Allocation(std::shared_ptr<Arena> from, CUdeviceptr at) : arena(std::move(from)), address(at) {}
  ~Allocation() { arena->release(address); }
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  const std::shared_ptr<Arena> arena;
  const CUdeviceptr address;
};

class DeviceMemory {
 public:
  enum class Contents { kZero, kUndefined };

  // 256-byte aligned. Zeros are written behind everything that is queued already. Throws Failure(kDevice) when memory runs out.
  static std::shared_ptr<DeviceMemory> allocate(Gpu& gpu, uint64_t bytes, bool guarded, Contents contents, const std::string& label);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  CUdeviceptr address() const { return address_; }
  uint64_t bytes() const { return bytes_; }
  const std::shared_ptr<Allocation>& allocation() const { return allocation_; }
  bool guarded() const { return margin_ > 0; }

  // The margins before and after, to be compared by `damage`. Only for guarded memory.
  CUdeviceptr before() const { return address_ - margin_; }
  CUdeviceptr after() const { return address_ + bytes_; }
  uint64_t margin() const { return margin_; }
  struct Damage {
    bool before = false, after = false;
    int64_t before_offset = 0, after_offset = 0;  // relative to the memory's start
  };
  Damage damage(const uint8_t* before, const uint8_t* after) const;

 private:
  DeviceMemory() = default;
  std::shared_ptr<Allocation> allocation_;
  CUdeviceptr address_ = 0;
  uint64_t bytes_ = 0, margin_ = 0;
  ByteCounter counter_;
};

// A window of it, as JavaScript holds it.
struct BufferRef {
  std::shared_ptr<DeviceMemory> memory;
  uint64_t offset;
  uint64_t bytes;
  std::string label;
  CUdeviceptr address() const { return memory->address() + offset; }
};

// Copies from and to the host, and fills, in the order of submission. Small writes do not wait; reads do.
void write_memory(Gpu& gpu, const DeviceMemory& memory, CUdeviceptr to, const void* from, uint64_t bytes, const std::string& label);
void read_memory(Gpu& gpu, CUdeviceptr from, void* to, uint64_t bytes, const std::string& label);
void fill_memory(Gpu& gpu, const DeviceMemory& memory, CUdeviceptr to, uint8_t byte, uint64_t bytes, const std::string& label);

}  // namespace griffin::cuda

#endif
