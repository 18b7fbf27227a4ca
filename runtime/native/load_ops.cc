#include "load_ops.h"

#include <algorithm>
#include <atomic>
#include <string>

#include "bus_guard.h"

namespace griffin {
namespace {

// Large enough to amortise page faults and system calls, small enough that both threads of a small machine stay busy to the end and
// that little of the file is resident.
constexpr uint64_t kPieceBytes = 2u << 20;
// Pieces between two looks at the device's state and two progress reports.
constexpr size_t kPiecesPerRound = 16;
// 64 elements of 2 bytes are two cache lines: a transposed block writes whole lines.
constexpr uint64_t kBlock = 64;

// A part of one operation: whole rows, or a part of one row.
struct Piece {
  const LoadOp* op;
  uint64_t row, rows, col, cols;
};

uint64_t source_element(const LoadOp& op) { return bytes_of(op.type); }
uint64_t target_element(const LoadOp& op) { return op.to_f32 ? 4 : bytes_of(op.type); }

uint64_t source_offset(const Piece& p) { return p.op->source_offset + (p.row * p.op->cols + p.col) * source_element(*p.op); }
uint64_t source_bytes(const Piece& p) { return p.rows * p.cols * source_element(*p.op); }
void prefetch(const Piece& p) { p.op->source->prefetch(source_offset(p), source_bytes(p)); }

// Elements between the first and one past the last that are touched, false on overflow.
bool extent(uint64_t rows, uint64_t cols, uint64_t stride, uint64_t element, uint64_t* bytes) {
  uint64_t elements = 0;
  return !__builtin_mul_overflow(rows - 1, stride, &elements) && !__builtin_add_overflow(elements, cols, &elements) &&
         !__builtin_mul_overflow(elements, element, bytes);
}

[[noreturn]] void out_of_range(size_t index, const std::string& what) {
  throw Failure(FailureKind::kRange, "load operation " + std::to_string(index) + " " + what);
}

void check(const LoadOp& op, size_t index) {
  if (op.rows == 0 || op.cols == 0) return;
  uint64_t bytes = 0;
  const std::string& path = op.source->path();
  if (!extent(op.rows, op.cols, op.cols, source_element(op), &bytes) || op.source_offset > op.source->bytes() ||
      bytes > op.source->bytes() - op.source_offset)
    out_of_range(index, "reads past the end of " + path + ": " + std::to_string(op.rows) + " x " + std::to_string(op.cols) +
                            " elements at byte " + std::to_string(op.source_offset) + " of " + std::to_string(op.source->bytes()));
  const uint64_t target_rows = op.transpose ? op.cols : op.rows, target_cols = op.transpose ? op.rows : op.cols;
  if (op.target_stride < target_cols)
    out_of_range(index, "has rows of " + std::to_string(target_cols) + " elements but a target stride of " + std::to_string(op.target_stride));
  if (op.target_offset % target_element(op) != 0) out_of_range(index, "has a target offset that is not a multiple of the element size");
  if (!extent(target_rows, target_cols, op.target_stride, target_element(op), &bytes) || op.target_offset > op.target_bytes ||
      bytes > op.target_bytes - op.target_offset)
    out_of_range(index, "writes past the end of its buffer: " + std::to_string(target_rows) + " x " + std::to_string(target_cols) +
                            " elements, stride " + std::to_string(op.target_stride) + ", at byte " + std::to_string(op.target_offset) + " of " +
                            std::to_string(op.target_bytes));
}

// Rows that lie back to back in the target too are one long row.
LoadOp flatten(LoadOp op) {
  if (!op.transpose && op.target_stride == op.cols) {
    op.cols *= op.rows;
    op.rows = 1;
    op.target_stride = op.cols;
  }
  return op;
}

void split(const LoadOp& op, std::vector<Piece>& pieces) {
  if (op.rows == 0 || op.cols == 0) return;
  const uint64_t row_bytes = op.cols * source_element(op);
  if (op.rows > 1 && (row_bytes <= kPieceBytes || op.transpose)) {
    uint64_t rows = std::max<uint64_t>(1, kPieceBytes / row_bytes);
    if (op.transpose) rows = std::max(kBlock, rows / kBlock * kBlock);
    for (uint64_t row = 0; row < op.rows; row += rows) pieces.push_back({&op, row, std::min(rows, op.rows - row), 0, op.cols});
    return;
  }
  const uint64_t cols = kPieceBytes / source_element(op);
  for (uint64_t row = 0; row < op.rows; row++)
    for (uint64_t col = 0; col < op.cols; col += cols) pieces.push_back({&op, row, 1, col, std::min(cols, op.cols - col)});
}

// Sources may be unaligned (a safetensors header has any length), targets never are: reads go through memcpy.
struct CopyBits {
  template <class T>
  static void run(T* target, const uint8_t* source, uint64_t count) {
    std::memcpy(target, source, count * sizeof(T));
  }
};
template <float (*Widen)(uint16_t)>
struct WidenBits {
  static void run(float* target, const uint8_t* source, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
      uint16_t bits;
      std::memcpy(&bits, source + 2 * i, 2);
      target[i] = Widen(bits);
    }
  }
};

// turned[c][r] = tile[r][c] for the first rows × cols of a block.
void turn(const uint32_t* tile, uint32_t* turned, uint64_t rows, uint64_t cols) {
  for (uint64_t c = 0; c < cols; c++)
    for (uint64_t r = 0; r < rows; r++) turned[c * kBlock + r] = tile[r * kBlock + c];
}
void turn(const float* tile, float* turned, uint64_t rows, uint64_t cols) {
  for (uint64_t c = 0; c < cols; c++)
    for (uint64_t r = 0; r < rows; r++) turned[c * kBlock + r] = tile[r * kBlock + c];
}
// Four by four elements at a time in four 64-bit words: element by element takes four times as long as the memory.
// Works on whole groups of four; what it turns beyond the block is not used. The lowest element is in the lowest bits (little endian).
void turn(const uint16_t* tile, uint16_t* turned, uint64_t rows, uint64_t cols) {
  for (uint64_t r = 0; r < rows; r += 4)
    for (uint64_t c = 0; c < cols; c += 4) {
      uint64_t w[4];
      for (int i = 0; i < 4; i++) std::memcpy(&w[i], tile + (r + i) * kBlock + c, 8);
      for (int i = 0; i < 4; i += 2) {
        const uint64_t odd = ((w[i] >> 16) ^ w[i + 1]) & 0x0000ffff0000ffffu;
        w[i + 1] ^= odd;
        w[i] ^= odd << 16;
      }
      for (int i = 0; i < 2; i++) {
        const uint64_t upper = ((w[i] >> 32) ^ w[i + 2]) & 0xffffffffu;
        w[i + 2] ^= upper;
        w[i] ^= upper << 32;
      }
      for (int i = 0; i < 4; i++) std::memcpy(turned + (c + i) * kBlock + r, &w[i], 8);
    }
}

template <class T, class Convert>
void copy_piece(const Piece& piece) {
  const LoadOp& op = *piece.op;
  const uint64_t element = source_element(op);
  const uint8_t* source = op.source->data() + source_offset(piece);
  T* target = reinterpret_cast<T*>(op.target->data() + op.target_begin + op.target_offset);
  if (!op.transpose) {
    for (uint64_t r = 0; r < piece.rows; r++)
      Convert::run(target + (piece.row + r) * op.target_stride + piece.col, source + r * op.cols * element, piece.cols);
    return;
  }
  // A block is gathered row by row into a compact tile, turned there, and written out in whole lines: rows a power of two apart would
  // otherwise evict each other from the cache, and single stores to as many lines as there are columns would wait for each in turn.
  alignas(64) T tile[kBlock * kBlock] = {};
  alignas(64) T turned[kBlock * kBlock];
  for (uint64_t r0 = 0; r0 < piece.rows; r0 += kBlock) {
    const uint64_t rows = std::min(kBlock, piece.rows - r0);
    for (uint64_t c0 = 0; c0 < piece.cols; c0 += kBlock) {
      const uint64_t cols = std::min(kBlock, piece.cols - c0);
      T* out = target + (piece.col + c0) * op.target_stride + piece.row + r0;
      for (uint64_t r = 0; r < rows; r++) Convert::run(tile + r * kBlock, source + ((r0 + r) * op.cols + c0) * element, cols);
      turn(tile, turned, rows, cols);
      for (uint64_t c = 0; c < cols; c++) std::memcpy(out + c * op.target_stride, turned + c * kBlock, rows * sizeof(T));
    }
  }
}

void copy_any(void* context) {
  const Piece& piece = *static_cast<const Piece*>(context);
  const LoadOp& op = *piece.op;
  if (op.to_f32 && op.type == ElementType::kF16) copy_piece<float, WidenBits<from_f16>>(piece);
  else if (op.to_f32 && op.type == ElementType::kBf16) copy_piece<float, WidenBits<from_bf16>>(piece);
  else if (op.type == ElementType::kF32) copy_piece<uint32_t, CopyBits>(piece);
  else copy_piece<uint16_t, CopyBits>(piece);
}

struct Round {
  Piece* pieces;
  std::atomic<const MappedFile*> truncated{nullptr};
};

void run_pieces(void* context, int64_t begin, int64_t end, unsigned) {
  auto* round = static_cast<Round*>(context);
  for (int64_t i = begin; i < end; i++) {
    Piece& piece = round->pieces[i];
    if (!run_bus_guarded(copy_any, &piece)) {
      round->truncated.store(piece.op->source.get());
      return;
    }
    piece.op->source->drop(source_offset(piece), source_bytes(piece));
  }
}

}  // namespace

void check_load_ops(const std::vector<LoadOp>& ops) {
  for (size_t i = 0; i < ops.size(); i++) check(ops[i], i);
}

void run_load_ops(Device& device, const std::vector<LoadOp>& ops, const std::function<void(uint64_t)>& progress) {
  std::vector<LoadOp> flat;
  std::vector<Piece> pieces;
  flat.reserve(ops.size());  // pieces point into it
  for (const LoadOp& op : ops) split(flat.emplace_back(flatten(op)), pieces);
  uint64_t done = 0;
  for (size_t at = 0; at < pieces.size(); at += kPiecesPerRound) {
    const size_t count = std::min(kPiecesPerRound, pieces.size() - at);
    device.check_running();
    const MappedFile* checked = nullptr;
    for (size_t i = 0; i < count; i++) {
      const MappedFile* file = pieces[at + i].op->source.get();
      if (file != checked) file->check_length();
      checked = file;
    }
    // Disk reads of the next round overlap with copying this one.
    for (size_t i = at + count; i < std::min(at + 2 * count, pieces.size()); i++) prefetch(pieces[i]);
    Round round{&pieces[at]};
    device.pool().parallel(static_cast<int64_t>(count), run_pieces, &round);
    if (const MappedFile* file = round.truncated.load()) file->fail_truncated();
    for (size_t i = 0; i < count; i++) done += source_bytes(pieces[at + i]);
    progress(done);
  }
}

}  // namespace griffin
