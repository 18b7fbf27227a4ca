#include "gpu_jobs.h"

#include <cstring>

namespace griffin::cuda {
namespace {

// Replays between two marks, and marks ahead of the stream: a driver's queue is finite, and whoever waits in it cannot be stopped.
constexpr uint64_t kReplaysPerMark = 16;
constexpr size_t kMarks = 4;

}  // namespace

void Replays::issue(Gpu& gpu, const std::string& what) {
  from_ = gpu.timed_event();
  to_ = gpu.timed_event();
  CUevent marks[kMarks] = {};
  gpu.record(from_);
  for (uint64_t i = 0; i < times_; i++) {
    gpu.require_running();
    plan_->replay(gpu);
    if ((i + 1) % kReplaysPerMark != 0) continue;
    CUevent& mark = marks[i / kReplaysPerMark % kMarks];
    if (mark == nullptr) mark = gpu.timed_event();
    else gpu.wait_for(mark, what);
    gpu.record(mark);
  }
  gpu.record(to_);
  for (CUevent mark : marks)
    if (mark != nullptr) gpu.recycle_timed(mark);
  if (!source_) return;
  slot_ = gpu.postcards().next([&](CUevent event) { gpu.wait_for(event, what); });
  if (source_->bytes > 0)
    gpu.check(gpu.context()->api().cuMemcpyDtoHAsync_v2(slot_.data, source_->address(), source_->bytes, gpu.stream()),
              what + ": reading " + source_->label);
}

void Replays::complete(Gpu& gpu) {
  elapsed_ns = gpu.elapsed_ns(from_, to_);
  gpu.recycle_timed(from_);
  gpu.recycle_timed(to_);
  gpu.worked_ns.fetch_add(elapsed_ns);
  if (source_) read.assign(slot_.data, slot_.data + source_->bytes);
}

void ProfiledReplay::issue(Gpu& gpu) {
  const auto mark = [&] {
    marks_.push_back(gpu.timed_event());
    gpu.record(marks_.back());
  };
  mark();
  for (size_t i = 0; i < plan_->size(); i++) {
    gpu.require_running();
    plan_->launch_step(i, gpu.stream(), false);
    mark();
  }
}

void ProfiledReplay::complete(Gpu& gpu) {
  for (size_t i = 0; i + 1 < marks_.size(); i++) step_ns.push_back(gpu.elapsed_ns(marks_[i], marks_[i + 1]));
  for (CUevent event : marks_) gpu.recycle_timed(event);
  for (const uint64_t ns : step_ns) gpu.worked_ns.fetch_add(ns);
}

}  // namespace griffin::cuda
