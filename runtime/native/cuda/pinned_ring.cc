#include "pinned_ring.h"

namespace griffin::cuda {

void PinnedRing::open() {
  const DriverApi& api = context_->api();
  void* base = nullptr;
  context_->check(api.cuMemHostAlloc(&base, slot_bytes_ * slots_, 0),
                  "allocating " + std::to_string(slot_bytes_ * slots_) + " bytes of page-locked memory on the host");
  base_ = static_cast<uint8_t*>(base);
  busy_.assign(slots_, false);
  while (events_.size() < slots_) {
    CUevent event = nullptr;
    context_->check(api.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), "creating an event");
    events_.push_back(event);
  }
}

PinnedRing::Slot PinnedRing::next(const Wait& wait) {
  if (base_ == nullptr || events_.size() < slots_) {
    if (base_ != nullptr) close();
    open();
  }
  const Slot slot{base_ + next_ * slot_bytes_, next_};
  arrive(slot, wait);
  next_ = (next_ + 1) % slots_;
  return slot;
}

void PinnedRing::sent(const Slot& slot, CUstream stream, const std::string& what) {
  context_->check(context_->api().cuEventRecord(events_[slot.index], stream), what);
  busy_[slot.index] = true;
}

void PinnedRing::arrive(const Slot& slot, const Wait& wait) {
  if (!busy_[slot.index]) return;
  wait(events_[slot.index]);
  busy_[slot.index] = false;
}

void PinnedRing::close() {
  for (CUevent event : events_) context_->api().cuEventDestroy_v2(event);
  events_.clear();
  if (base_ != nullptr) context_->api().cuMemFreeHost(base_);
  base_ = nullptr;
}

}  // namespace griffin::cuda
