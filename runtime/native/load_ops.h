// Rectangular copies from mapped files into buffers, on all threads of a device.
#ifndef GRIFFIN_LOAD_OPS_H
#define GRIFFIN_LOAD_OPS_H
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "device.h"
#include "element.h"
#include "mapped_file.h"
#include "memory.h"

namespace griffin {

struct LoadOp {
  std::shared_ptr<MappedFile> source;
  uint64_t source_offset = 0;
  ElementType type = ElementType::kF32;
  uint64_t rows = 0, cols = 0;
  std::shared_ptr<Memory> target;
  uint64_t target_begin = 0;   // the buffer's window in its memory
  uint64_t target_bytes = 0;
  uint64_t target_offset = 0;  // of element [0, 0], within the window
  uint64_t target_stride = 0;  // in target elements
  bool transpose = false;
  bool to_f32 = false;
};

// Throws Failure(kRange) when an operation reads outside its file or writes outside its buffer. Nothing has been copied then.
void check_load_ops(const std::vector<LoadOp>& ops);

// On the device's dispatcher thread; operations must be checked. `progress` gets the source bytes done so far, on the dispatcher thread.
// Throws Failure(kFile) when a file became shorter, Failure(kDevice) when the device is disposed meanwhile.
void run_load_ops(Device& device, const std::vector<LoadOp>& ops, const std::function<void(uint64_t)>& progress);

}  // namespace griffin

#endif
