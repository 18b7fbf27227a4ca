#include "checks.h"

#include <link.h>

#include <algorithm>
#include <cstring>

#include "report.h"

namespace gk_emu {

Checks::Checks(Execution& e) : e_(e), memory_(e.memory), clocks_(e), base_(e.memory.shared(0)), states_(e.memory.states()) {}

// ---- launches --------------------------------------------------------------------------------------------------------------------

void Checks::begin_launch() {
  previous_serial_ = current_serial_;
  previous_name_ = current_name_;
  current_serial_ = e_.launch_serial;
  current_name_ = e_.request->name;
  for (const uint64_t number : memory_.take_retired()) free_byte_cells_.push_back(number);
  for (uint32_t rank = 0; rank < kMostCluster && most_shared_; ++rank) memset(states_ + rank * kSharedStride, kNoMemory, most_shared_);
  most_shared_ = e_.shared_used;
  clocks_.begin_launch();
}

void Checks::end_launch() { clocks_.end_launch(); }

void Checks::begin_cluster() {
  most_shared_ = std::max(most_shared_, e_.shared_used);
  for (uint32_t rank = 0; rank < e_.cluster; ++rank) {
    mark(memory_.shared(rank) + e_.dynamic_offset, e_.request->shared_bytes, kUninitialised);
    memset(memory_.shared(rank) + e_.dynamic_offset, 0xff, e_.request->shared_bytes);
  }
  for (const SharedArray& a : e_.arrays) shared_declared(a);
  clocks_.begin_cluster();
}

// Of the running cluster's blocks: the layout is the same in all of them, whoever comes to the declaration first.
void Checks::shared_declared(const SharedArray& a) {
  most_shared_ = std::max(most_shared_, e_.shared_used);
  for (uint32_t rank = 0; rank < e_.cluster; ++rank) {
    mark(memory_.shared(rank) + a.offset, a.site->bytes, kUninitialised);
    memset(memory_.shared(rank) + a.offset, 0xff, a.site->bytes);  // NaN
  }
}

void Checks::forget(Block& b) {
  for (Transaction& x : b.transactions) clocks_.forget(x);
}

void Checks::mark(const unsigned char* p, uint64_t bytes, ByteState state) { memset(states_ + (p - base_), state, bytes); }

// ---- accesses --------------------------------------------------------------------------------------------------------------------

void Checks::access(Thread& t, const void* p, uint64_t bytes, uint32_t kind) {
  if ((++accesses_ & 0xfff) == 0) e_.look_at_cancel();
  const uint64_t offset = memory_.offset_of(p);
  if (offset >= memory_.size() || bytes > memory_.size() - offset) return outside(t, p, bytes, kind);
  if (bytes == 0) return;
  if ((kind & GK_EMU_ALIGNED) && (reinterpret_cast<uintptr_t>(p) & (bytes - 1))) {
    e_.fault_of(t, kMisaligned, what(bytes, kind, false, p) + ": the address is no multiple of " + std::to_string(bytes));
  }
  const Request r = {t, p, bytes, kind, false, memory_.is_shared(offset), clocks_.stamp(t, false)};
  check_states(r, offset);
  check_order(r, offset);
}

void Checks::atomic(Thread& t, void* p, uint32_t bytes) {
  const uint64_t offset = memory_.offset_of(p);
  if (offset >= memory_.size() || bytes > memory_.size() - offset) {
    e_.fault_of(t, kIllegalAddress, what(bytes, GK_EMU_WRITE, true, p) + ": atomics work on global and shared memory");
  }
  if (reinterpret_cast<uintptr_t>(p) & (bytes - 1)) {
    e_.fault_of(t, kMisaligned, what(bytes, GK_EMU_WRITE, true, p) + ": the address is no multiple of " + std::to_string(bytes));
  }
  const Request r = {t, p, bytes, GK_EMU_WRITE, true, memory_.is_shared(offset), clocks_.stamp(t, true)};
  const Request read = {t, p, bytes, GK_EMU_READ, true, r.shared, r.stamp};
  check_states(read, offset);
  check_order(r, offset);
  clocks_.atomic(t, offset, r.shared);
}

void Checks::check_states(const Request& r, uint64_t offset) {
  uint8_t* const s = states_ + offset;
  const bool write = r.kind & GK_EMU_WRITE;
  constexpr uint64_t kAll = 0x0202020202020202u;
  bool fine;
  uint64_t seen = 0;
  switch (r.bytes) {
    case 1: fine = *s == kInitialised; break;
    case 2: case 4: case 8:
      memcpy(&seen, s, r.bytes);
      fine = seen == (kAll & (r.bytes == 8 ? ~uint64_t(0) : (uint64_t(1) << (8 * r.bytes)) - 1));
      break;
    case 16: {
      uint64_t two[2];
      memcpy(two, s, 16);
      fine = two[0] == kAll && two[1] == kAll;
      break;
    }
    default: fine = std::all_of(s, s + r.bytes, [](uint8_t state) { return state == kInitialised; });
  }
  if (fine) return;
  if (!write) bad_state(r, offset);
  if (!std::all_of(s, s + r.bytes, [](uint8_t state) { return state == kInitialised || state == kUninitialised; })) bad_state(r, offset);
  memset(s, kInitialised, r.bytes);
}

void Checks::check_order(const Request& r, uint64_t offset) {
  memory_.touched()[offset >> 12] = 1;
  memory_.touched()[(offset + r.bytes - 1) >> 12] = 1;
  Cell* const cells = memory_.cells();
  const uint64_t end = offset + r.bytes;
  for (uint64_t word = offset & ~uint64_t(3); word < end; word += 4) {
    Cell& cell = cells[word / 4];
    const uint64_t first = std::max(word, offset) - word, last = std::min(word + 4, end) - word;
    if (first == 0 && last == 4 && cell.write != kSplit) {
      check_cell(r, word, cell);
    } else {
      check_bytes(r, word, cell, ((1u << last) - 1) & ~((1u << first) - 1));
    }
  }
}

void Checks::check_cell(const Request& r, uint64_t offset, Cell& c) {
  const bool write = r.kind & GK_EMU_WRITE;
  if (!write && (c.read[0] == r.stamp || c.read[1] == r.stamp) && !(r.kind & GK_EMU_CONSTANT)) return;
  if (c.write && !(r.atomic && is_atomic(c.write)) && !before(r, c.write)) race(r, offset, c.write, true);
  if ((r.kind & GK_EMU_CONSTANT) && c.write && !r.shared && serial_of(c.write) >= e_.launch_serial) {
    e_.fault_of(r.thread, kLaunchFailed, what(r.bytes, r.kind, false, r.address) + " through the read-only path, of bytes that this launch wrote: it may give what was there before");
  }
  if (!write) {
    // Two readers are remembered: one that is not known to lie in this one's past stays.
    const bool replace_first = c.read[0] == 0 || before(r, c.read[0]);
    c.read[replace_first ? 0 : 1] = r.stamp;
    return;
  }
  for (const uint64_t read : c.read) {
    if (read && !before(r, read)) race(r, offset, read, false);
  }
  c.write = r.stamp;
  c.read[0] = c.read[1] = 0;
}

uint64_t Checks::split(Cell& cell) {
  uint64_t number;
  if (free_byte_cells_.empty()) {
    number = byte_cells_.size();
    byte_cells_.emplace_back();
  } else {
    number = free_byte_cells_.back();
    free_byte_cells_.pop_back();
  }
  for (Cell& c : byte_cells_[number].bytes) c = cell;
  cell.write = kSplit;
  cell.read[0] = number;
  cell.read[1] = 0;
  return number;
}

void Checks::check_bytes(const Request& r, uint64_t word, Cell& cell, uint32_t mask) {
  const uint64_t number = cell.write == kSplit ? cell.read[0] : split(cell);
  for (uint32_t i = 0; i < 4; ++i) {
    if (mask >> i & 1) check_cell(r, word + i, byte_cells_[number].bytes[i]);
  }
  if (mask == 15 && (r.kind & GK_EMU_WRITE)) {  // all alike again
    cell = byte_cells_[number].bytes[0];
    free_byte_cells_.push_back(number);
  }
}

// Whether what the stamp says lies in the past of the access.
bool Checks::before(const Request& r, uint64_t stamp) {
  const uint32_t serial = serial_of(stamp);
  if (r.shared) {
    if (serial - clocks_.first_serial() >= e_.cluster) return true;  // of a block that is gone; its shared memory was another's
  } else if (serial < e_.launch_serial) {
    return !e_.dependent || r.thread.waited_previous || serial < previous_serial_;
  }
  return clocks_.ordered(r.thread, stamp);
}

// An access outside of the device's address space. What the compiler put into the module (tables of constants), the parameters and the
// thread's own stack may be touched.
void Checks::outside(Thread& t, const void* p, uint64_t bytes, uint32_t kind) {
  const unsigned char* const c = static_cast<const unsigned char*>(p);
  if (c >= t.stack_low && c < t.stack_high) return;
  const bool write = kind & GK_EMU_WRITE;
  if (!write) {
    if (c >= e_.params() && c + bytes <= e_.params() + e_.param_bytes()) return;
    const void* const entry = reinterpret_cast<const void*>(e_.request->entry);
    if (image_of_ != entry) {
      image_of_ = entry;
      dl_iterate_phdr(
          [](dl_phdr_info* info, size_t, void* self) {
            Checks& checks = *static_cast<Checks*>(self);
            uintptr_t low = ~uintptr_t(0), high = 0;
            for (int i = 0; i < info->dlpi_phnum; ++i) {
              if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
              low = std::min(low, uintptr_t(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
              high = std::max(high, uintptr_t(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz));
            }
            const uintptr_t entry = reinterpret_cast<uintptr_t>(checks.image_of_);
            if (entry < low || entry >= high) return 0;
            checks.image_low_ = low;
            checks.image_high_ = high;
            return 1;
          },
          this);
    }
    const uintptr_t address = reinterpret_cast<uintptr_t>(p);
    if (address >= image_low_ && address + bytes <= image_high_) return;
  }
  e_.fault_of(t, kIllegalAddress, what(bytes, kind, false, p));
}

void Checks::shared_row(Thread& t, const void* row) {
  const uint64_t offset = memory_.offset_of(row);
  if (offset - t.owner->cluster_rank * kSharedStride >= kSharedStride) {
    e_.fault_of(t, kIllegalAddress, "a matrix load from " + e_.describe(row) + ": an address in the block's shared memory was expected");
  }
  if (offset % 16) e_.fault_of(t, kMisaligned, "a matrix load from " + e_.describe(row) + ": the row's address is no multiple of 16");
}

// ---- asynchronous copies -----------------------------------------------------------------------------------------------------------

void Checks::target_in_shared(Thread& t, const PendingCopy& c, const char* name) {
  if (memory_.offset_of(c.to) - t.owner->cluster_rank * kSharedStride >= kSharedStride) {
    e_.fault_of(t, kIllegalAddress, std::string(name) + " to " + e_.describe(c.to) + ": an address in the block's shared memory was expected");
  }
  if (c.valid && memory_.owns(c.from) && memory_.is_shared(memory_.offset_of(c.from))) {
    e_.fault_of(t, kIllegalAddress, std::string(name) + " from " + e_.describe(c.from) + ": global memory was expected");
  }
}

void Checks::copy_started(Thread& t, const PendingCopy& c) {
  target_in_shared(t, c, "an asynchronous copy");
  // The address must be good even where nothing is read.
  if (reinterpret_cast<uintptr_t>(c.from) % c.bytes) e_.fault_of(t, kMisaligned, "an asynchronous copy from " + e_.describe(c.from) + ": the address is no multiple of " + std::to_string(c.bytes));
  if (c.valid) access(t, c.from, c.bytes, GK_EMU_READ);
  access(t, c.to, c.bytes, GK_EMU_WRITE | GK_EMU_ALIGNED);
  mark(c.to, c.bytes, kPending);
}

void Checks::copy_landed(Thread& t, const PendingCopy& c) {
  mark(c.to, c.bytes, kInitialised);
  stamp_written(c.to, c.bytes, clocks_.stamp(t, false));
}

void Checks::bulk_started(Thread& t, const PendingCopy& c) {
  target_in_shared(t, c, "a bulk copy");
  access(t, c.from, c.bytes, GK_EMU_READ);
  access(t, c.to, c.bytes, GK_EMU_WRITE);
  mark(c.to, c.bytes, kPending);
}

void Checks::bulk_landed(Block& b, Transaction& x, const PendingCopy& c) {
  mark(c.to, c.bytes, kInitialised);
  stamp_written(c.to, c.bytes, clocks_.landed(b, x));
}

// Whole words: targets of copies are aligned to at least four bytes, and were written by the start of the copy.
void Checks::stamp_written(const unsigned char* p, uint64_t bytes, uint64_t stamp) {
  Cell* const cells = memory_.cells() + memory_.offset_of(p) / 4;
  for (uint64_t i = 0; i < bytes / 4; ++i) cells[i] = Cell{stamp, {0, 0}};
}

// ---- barriers ----------------------------------------------------------------------------------------------------------------------

void Checks::meet_gathered() {
  if (!gathered_.empty()) clocks_.meet(gathered_);
}

void Checks::met_block(Block& b) {
  gathered_.clear();
  for (uint32_t i = 0; i < b.count; ++i) gathered_.push_back(b.first + i);
  meet_gathered();
}

void Checks::met_lanes(Block& b, const uint32_t (&lanes)[32]) {
  gathered_.clear();
  for (uint32_t i = 0; i < b.count; ++i) {
    if (lanes[i / 32] >> (i % 32) & 1) gathered_.push_back(b.first + i);
  }
  meet_gathered();
}

void Checks::met_warp(Warp& w, uint32_t mask) {
  gathered_.clear();
  for (; mask; mask &= mask - 1) gathered_.push_back(w.first + __builtin_ctz(mask));
  meet_gathered();
}

void Checks::met_cluster() {
  gathered_.clear();
  for (uint32_t rank = 0; rank < e_.cluster; ++rank) {
    for (uint32_t i = 0; i < e_.blocks[rank].count; ++i) gathered_.push_back(e_.blocks[rank].first + i);
  }
  meet_gathered();
}

void Checks::barrier_made(Thread& t, uint64_t* address) {
  if (memory_.offset_of(address) - t.owner->cluster_rank * kSharedStride >= kSharedStride) {
    e_.fault_of(t, kIllegalAddress, "a transaction barrier at " + e_.describe(address) + ": an address in the block's shared memory was expected");
  }
  if (Transaction* const before = e_.transaction(address)) {
    used(t, *before, "an initialisation");
    clocks_.forget(*before);
    return;
  }
  access(t, address, 8, GK_EMU_WRITE | GK_EMU_ALIGNED);
  mark(reinterpret_cast<unsigned char*>(address), 8, kBarrierObject);
}

void Checks::used(Thread& t, const Transaction& x, const char* name) {
  if (x.creator == &t || clocks_.ordered(t, make_stamp(t.owner->serial, x.creator->number, x.created_clock, false))) return;
  e_.fault_of(t, kLaunchFailed, std::string("data race: ") + name + " on the transaction barrier at " + e_.describe(x.address) + ", which thread " +
                                    std::to_string(x.creator->number) + " initialised: no barrier lies between");
}

// ---- messages ----------------------------------------------------------------------------------------------------------------------

std::string Checks::what(uint64_t bytes, uint32_t kind, bool atomic, const void* p) const {
  return std::string(atomic ? "atomic operation on " : kind & GK_EMU_WRITE ? "write of " : "read of ") + std::to_string(bytes) + (bytes == 1 ? " byte at " : " bytes at ") +
         hexadecimal(reinterpret_cast<uintptr_t>(p)) + ", " + (p ? e_.describe(p) : "a null pointer");
}

void Checks::bad_state(const Request& r, uint64_t offset) {
  const bool write = r.kind & GK_EMU_WRITE;
  uint64_t i = 0;
  while (states_[offset + i] == kInitialised || (write && states_[offset + i] == kUninitialised)) ++i;
  const unsigned char* const byte = base_ + offset + i;
  std::string text = what(r.bytes, r.kind, r.atomic, r.address);
  if (i) text += "; its byte " + std::to_string(i) + " is " + e_.describe(byte);
  switch (states_[offset + i]) {
    case kUninitialised: e_.fault_of(r.thread, kLaunchFailed, "uninitialised " + text + ": nobody wrote it");
    case kFreed: e_.fault_of(r.thread, kIllegalAddress, "use after free: " + text);
    case kPending: e_.fault_of(r.thread, kLaunchFailed, "access before the copy landed: " + text + ": the target of an asynchronous copy that was not waited for");
    case kBarrierObject: e_.fault_of(r.thread, kLaunchFailed, "access to a transaction barrier as if it were data: " + text);
    default: e_.fault_of(r.thread, kIllegalAddress, "out of bounds: " + text);
  }
}

void Checks::race(const Request& r, uint64_t offset, uint64_t stamp, bool other_wrote) {
  const void* const address = base_ + offset;
  const uint32_t serial = serial_of(stamp);
  std::string text = what(r.bytes, r.kind, r.atomic, r.address);
  if (address != r.address) text += " (" + e_.describe(address) + ")";
  const char* const verb = other_wrote ? "wrote" : "read";
  if (!r.shared && serial < e_.launch_serial) {
    e_.fault_of(r.thread, kLaunchFailed, text + ", which the launch before (" + previous_name_ + ") " + verb + ": the thread has not called gk::waitForPrevious");
  }
  const gk_emu_index b = e_.block_index_of(serial);
  const bool same_block = serial == r.thread.owner->serial, copy = thread_of(stamp) == e_.request->block;
  text = "data race: " + text + ", which " + (copy ? "a bulk copy" : "thread " + std::to_string(thread_of(stamp))) + " of " +
         (same_block ? "the same block" : "block (" + std::to_string(b.x) + "," + std::to_string(b.y) + "," + std::to_string(b.z) + ")") + " " + verb +
         (is_atomic(stamp) ? " with an atomic" : "") + ": " +
         (copy ? "the thread has not waited for its transaction barrier"
          : same_block || r.shared ? "no barrier lies between"
                                   : "nothing orders the blocks (a fence and an atomic in the one, an atomic and a fence in the other would)");
  e_.fault_of(r.thread, kLaunchFailed, text);
}

}  // namespace gk_emu
