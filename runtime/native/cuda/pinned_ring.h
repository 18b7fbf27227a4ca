// Page-locked host memory in slots that are used in turn: only such memory is copied without the CPU, behind the back of everybody.
#ifndef GRIFFIN_CUDA_PINNED_RING_H
#define GRIFFIN_CUDA_PINNED_RING_H
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "context.h"

namespace griffin::cuda {

// Used by the dispatcher thread alone.
class PinnedRing {
 public:
  PinnedRing(std::shared_ptr<Context> context, uint64_t slot_bytes, uint32_t slots)
      : context_(std::move(context)), slot_bytes_(slot_bytes), slots_(slots) {}

  struct Slot {
    uint8_t* data;
    uint32_t index;
  };
  using Wait = std::function<void(CUevent)>;

  uint64_t slot_bytes() const { return slot_bytes_; }
  // The next slot, once what `sent` marked has passed; `wait` waits for an event. The memory is asked for at first use.
  Slot next(const Wait& wait);
  // The stream's work up to here uses the slot; `what` is being done, for messages.
  void sent(const Slot& slot, CUstream stream, const std::string& what);
  // Waits for a slot's work, to read what came back in it.
  void arrive(const Slot& slot, const Wait& wait);
  void close();

 private:
  void open();
  std::shared_ptr<Context> context_;
  const uint64_t slot_bytes_;
  const uint32_t slots_;
  uint8_t* base_ = nullptr;
  uint32_t next_ = 0;
  std::vector<CUevent> events_;
  std::vector<bool> busy_;
};

}  // namespace griffin::cuda

#endif
