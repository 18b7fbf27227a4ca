// Device memory in blocks that are kept when they are freed: asking the driver for memory, and giving it back, waits for the device.
#ifndef GRIFFIN_CUDA_ARENA_H
#define GRIFFIN_CUDA_ARENA_H
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "context.h"

namespace griffin::cuda {

struct OutOfMemory : Failure {
  using Failure::Failure;
};

class Arena {
 public:
  // `exact`: every block is an allocation of the driver of its own, to the byte, and is given back at once: that is what lets an
  // emulated device see accesses past a buffer's end and after its release.
  Arena(std::shared_ptr<Context> context, bool exact) : context_(std::move(context)), exact_(exact) {}

  bool exact() const { return exact_; }

  // At least `bytes`, 256-byte aligned. Throws OutOfMemory saying what was needed for `label` and what is free.
  CUdeviceptr allocate(uint64_t bytes, const std::string& label);
  // A block that `allocate` answered. Does nothing once closed.
  void release(CUdeviceptr address);
  // "byte 105 of `layers.0 W_in` (100 bytes)" for an address in or shortly past a live block; else empty.
  std::string describe(uint64_t address) const;
  // Bytes held from the driver, in use or kept.
  uint64_t reserved_bytes() const;
  // Gives kept memory back to the driver where nothing of it is in use.
  void trim();
  // The device goes away: everything is given back, live blocks too.
  void close();

 private:
  struct Slab;
  struct Block {
    uint64_t bytes;
    Slab* slab;
    bool used;
    std::string label;  // of its buffer
    uint64_t wanted;    // bytes of its buffer
  };
  struct Slab {
    CUdeviceptr base;
    uint64_t bytes;
    bool large;
  };
  using Blocks = std::map<CUdeviceptr, Block>;

  CUdeviceptr from_driver(uint64_t bytes, uint64_t needed, const std::string& label);
  Blocks::iterator best_fit(uint64_t bytes, bool large);
  void trim_locked();
  [[noreturn]] void fail(uint64_t needed, const std::string& label, CUresult result);

  std::shared_ptr<Context> context_;
  const bool exact_;
  bool closed_ = false;
  mutable std::mutex mutex_;
  Blocks blocks_;  // by address; neighbours of one slab are neighbours here
  std::multimap<uint64_t, CUdeviceptr> free_small_, free_large_;
  std::unordered_map<CUdeviceptr, std::unique_ptr<Slab>> slabs_;
  uint64_t reserved_ = 0;

  std::multimap<uint64_t, CUdeviceptr>& free_list(bool large) { return large ? free_large_ : free_small_; }
  void forget_free(Blocks::iterator block);
  void remember_free(Blocks::iterator block);
};

}  // namespace griffin::cuda

#endif
