#include "gpu_load.h"

#include <algorithm>
#include <cstring>

#include "../bus_guard.h"
#include "../fill_random.h"

namespace griffin::cuda {
namespace {

constexpr uint64_t kProgressBytes = uint64_t{16} << 20;
constexpr uint64_t kReadAheadBytes = uint64_t{32} << 20;

uint64_t source_element(const GpuLoadOp& op) { return bytes_of(op.type); }
uint64_t target_element(const GpuLoadOp& op) { return op.to_f32 ? 4 : bytes_of(op.type); }

[[noreturn]] void out_of_range(size_t index, const std::string& what) {
  throw Failure(FailureKind::kRange, "load operation " + std::to_string(index) + " " + what);
}

// Bytes from the first to past the last element, false on overflow.
bool extent(uint64_t rows, uint64_t cols, uint64_t stride, uint64_t element, uint64_t* bytes) {
  uint64_t elements = 0;
  return !__builtin_mul_overflow(rows - 1, stride, &elements) && !__builtin_add_overflow(elements, cols, &elements) &&
         !__builtin_mul_overflow(elements, element, bytes);
}

void check(const GpuLoadOp& op, size_t index) {
  if (op.rows == 0 || op.cols == 0) return;
  uint64_t bytes = 0;
  if (!extent(op.rows, op.cols, op.cols, source_element(op), &bytes) || op.source_offset > op.source->bytes() ||
      bytes > op.source->bytes() - op.source_offset)
    out_of_range(index, "reads past the end of " + op.source->path());
  const uint64_t rows = op.transpose ? op.cols : op.rows, cols = op.transpose ? op.rows : op.cols;
  if (op.target_stride < cols) out_of_range(index, "has rows longer than its target stride");
  if (op.target_offset % target_element(op) != 0) out_of_range(index, "has a target offset that is not a multiple of the element size");
  if (!extent(rows, cols, op.target_stride, target_element(op), &bytes) || op.target_offset > op.target.bytes ||
      bytes > op.target.bytes - op.target_offset)
    out_of_range(index, "writes past the end of " + op.target.label);
  if (!op.turn) return;
  const DeviceTransposition& turn = *op.turn;
  if (!op.transpose || op.to_f32 || turn.chunk_rows == 0 || turn.chunk_rows * op.cols * source_element(op) > turn.temporary.bytes ||
      turn.first_step + (op.rows + turn.chunk_rows - 1) / turn.chunk_rows > turn.plan->size())
    out_of_range(index, "has a transposition that does not fit it");
}

// A rectangle of the file's elements, and where it goes on its way.
struct Rectangle {
  const uint8_t* source;
  uint64_t source_stride;  // bytes between rows
  uint64_t rows, cols;
  ElementType type;
  bool to_f32, transpose;
  uint8_t* target;  // packed: rows x cols, or cols x rows
};

template <class T, class Read>
void pack(const Rectangle& r, Read read) {
  T* target = reinterpret_cast<T*>(r.target);
  const uint64_t row_step = r.transpose ? 1 : r.cols, col_step = r.transpose ? r.rows : 1;
  for (uint64_t row = 0; row < r.rows; row++) {
    const uint8_t* source = r.source + row * r.source_stride;
    for (uint64_t col = 0; col < r.cols; col++) target[row * row_step + col * col_step] = read(source, col);
  }
}

template <class T>
T bits_at(const uint8_t* source, uint64_t index) {
  T value;
  std::memcpy(&value, source + index * sizeof(T), sizeof value);
  return value;
}

void pack_any(void* context) {
  const Rectangle& r = *static_cast<const Rectangle*>(context);
  if (r.to_f32 && r.type == ElementType::kF16) {
    pack<float>(r, [](const uint8_t* s, uint64_t i) { return from_f16(bits_at<uint16_t>(s, i)); });
  } else if (r.to_f32 && r.type == ElementType::kBf16) {
    pack<float>(r, [](const uint8_t* s, uint64_t i) { return from_bf16(bits_at<uint16_t>(s, i)); });
  } else if (!r.transpose) {
    const uint64_t row_bytes = r.cols * bytes_of(r.type);
    if (row_bytes == r.source_stride) std::memcpy(r.target, r.source, r.rows * row_bytes);
    else
      for (uint64_t row = 0; row < r.rows; row++) std::memcpy(r.target + row * row_bytes, r.source + row * r.source_stride, row_bytes);
  } else if (r.type == ElementType::kF32) {
    pack<uint32_t>(r, bits_at<uint32_t>);
  } else {
    pack<uint16_t>(r, bits_at<uint16_t>);
  }
}

class Loader {
 public:
  Loader(Gpu& gpu, const std::string& what, const std::function<void(uint64_t)>& progress)
      : gpu_(gpu), what_(what), progress_(progress), wait_([this](CUevent event) { gpu_.wait_for(event, what_); }) {}

  void run(const GpuLoadOp& op) {
    if (op.rows == 0 || op.cols == 0) return;
    const CUdeviceptr target = op.target.address() + op.target_offset;
    if (op.turn) {
      const DeviceTransposition& turn = *op.turn;
      for (uint64_t row = 0, chunk = 0; row < op.rows; row += turn.chunk_rows, chunk++) {
        const uint64_t elements = std::min(turn.chunk_rows, op.rows - row) * op.cols;
        straight(op, row * op.cols, 1, elements, turn.temporary.address(), elements);
        turn.plan->launch_step(turn.first_step + chunk, gpu_.stream(), false);
      }
    } else if (op.transpose) {
      turned(op, target);
    } else if (op.target_stride == op.cols) {
      straight(op, 0, 1, op.rows * op.cols, target, op.rows * op.cols);
    } else {
      straight(op, 0, op.rows, op.cols, target, op.target_stride);
    }
  }

 private:
  uint64_t slot_bytes() const { return gpu_.staging().slot_bytes(); }

  // Rows of `cols` elements that lie back to back in the file from element `first` on.
  void straight(const GpuLoadOp& op, uint64_t first, uint64_t rows, uint64_t cols, CUdeviceptr target, uint64_t target_stride) {
    const uint64_t from = source_element(op), to = target_element(op), room = slot_bytes() / to;
    const uint64_t rows_each = std::max<uint64_t>(1, room / cols), cols_each = std::min(cols, room);
    for (uint64_t row = 0; row < rows; row += rows_each)
      for (uint64_t col = 0; col < cols; col += cols_each) {
        const uint64_t height = std::min(rows_each, rows - row), width = std::min(cols_each, cols - col);
        const uint64_t at = op.source_offset + (first + row * cols + col) * from, bytes = ((height - 1) * cols + width) * from;
        op.source->prefetch(at, std::min(bytes + kReadAheadBytes, op.source->bytes() - at));
        send(op, at, cols * from, height, width, target + (row * target_stride + col) * to, width * to, height, target_stride * to);
        op.source->drop(at, bytes);
      }
  }

  // Columns of the file become rows of the target, as many at a time as a slot holds.
  void turned(const GpuLoadOp& op, CUdeviceptr target) {
    const uint64_t from = source_element(op), to = target_element(op), room = slot_bytes() / to;
    const uint64_t rows_each = std::min(op.rows, room), cols_each = std::max<uint64_t>(1, room / rows_each);
    for (uint64_t col = 0; col < op.cols; col += cols_each)
      for (uint64_t row = 0; row < op.rows; row += rows_each) {
        const uint64_t rows = std::min(rows_each, op.rows - row), cols = std::min(cols_each, op.cols - col);
        send(op, op.source_offset + (row * op.cols + col) * from, op.cols * from, rows, cols, target + (col * op.target_stride + row) * to,
             rows * to, cols, op.target_stride * to);
      }
    op.source->drop(op.source_offset, op.rows * op.cols * from);
  }

  void send(const GpuLoadOp& op, uint64_t source_at, uint64_t source_stride, uint64_t rows, uint64_t cols, CUdeviceptr target,
            uint64_t width_bytes, uint64_t height, uint64_t pitch) {
    gpu_.require_running();
    op.source->check_length();
    const PinnedRing::Slot slot = gpu_.staging().next(wait_);
    Rectangle rectangle{op.source->data() + source_at, source_stride, rows, cols, op.type, op.to_f32, op.transpose && !op.turn, slot.data};
    if (!run_bus_guarded(pack_any, &rectangle)) op.source->fail_truncated();
    copy(slot.data, target, width_bytes, height, pitch, op.target.label);
    gpu_.staging().sent(slot, gpu_.stream(), what_);
    done_ += rows * cols * source_element(op);
    if (done_ - reported_ >= kProgressBytes) progress_(reported_ = done_);
  }

  // Packed rows from the host to rows `pitch` bytes apart.
  void copy(const uint8_t* data, CUdeviceptr target, uint64_t width_bytes, uint64_t height, uint64_t pitch, const std::string& label) {
    const DriverApi& api = gpu_.context()->api();
    const std::string what = what_ + ": copying to " + label;
    if (height == 1 || pitch == width_bytes) {
      gpu_.check(api.cuMemcpyHtoDAsync_v2(target, data, width_bytes * height, gpu_.stream()), what);
      return;
    }
    CUDA_MEMCPY2D rectangle{};
    rectangle.srcMemoryType = CU_MEMORYTYPE_HOST;
    rectangle.srcHost = data;
    rectangle.srcPitch = width_bytes;
    rectangle.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    rectangle.dstDevice = target;
    rectangle.dstPitch = pitch;
    rectangle.WidthInBytes = width_bytes;
    rectangle.Height = height;
    gpu_.check(api.cuMemcpy2DAsync_v2(&rectangle, gpu_.stream()), what);
  }

  Gpu& gpu_;
  const std::string& what_;
  const std::function<void(uint64_t)>& progress_;
  PinnedRing::Wait wait_;
  uint64_t done_ = 0, reported_ = 0;

 public:
  uint64_t done() const { return done_; }
};

}  // namespace

void check_load_ops(const std::vector<GpuLoadOp>& ops) {
  for (size_t i = 0; i < ops.size(); i++) check(ops[i], i);
}

void run_load_ops(Gpu& gpu, const std::vector<GpuLoadOp>& ops, const std::string& what, const std::function<void(uint64_t)>& progress) {
  Loader loader(gpu, what, progress);
  for (const GpuLoadOp& op : ops) loader.run(op);
  progress(loader.done());
}

void run_fill_random(Gpu& gpu, const BufferRef& target, ElementType type, uint64_t seed, float scale, const std::string& what) {
  const auto wait = [&](CUevent event) { gpu.wait_for(event, what); };
  const uint64_t step = gpu.staging().slot_bytes() / kRandomUnitBytes * kRandomUnitBytes;
  for (uint64_t at = 0; at < target.bytes; at += step) {
    gpu.require_running();
    const uint64_t bytes = std::min(step, target.bytes - at);
    const PinnedRing::Slot slot = gpu.staging().next(wait);
    for (uint64_t unit = 0; unit * kRandomUnitBytes < bytes; unit++)
      fill_random_unit(slot.data + unit * kRandomUnitBytes, std::min(kRandomUnitBytes, bytes - unit * kRandomUnitBytes), type, seed,
                       at / kRandomUnitBytes + unit, scale);
    gpu.check(gpu.context()->api().cuMemcpyHtoDAsync_v2(target.address() + at, slot.data, bytes, gpu.stream()), what);
    gpu.staging().sent(slot, gpu.stream(), what);
  }
}

}  // namespace griffin::cuda
