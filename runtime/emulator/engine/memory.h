// The address space of one emulated device: shared memory of the blocks that run, then global memory with its allocations. In the checked
// flavour every byte has a state, and every aligned word a cell for the race check.
#ifndef GK_EMULATOR_MEMORY_H
#define GK_EMULATOR_MEMORY_H
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace gk_emu {

// What may be done with a byte.
enum ByteState : uint8_t {
  kNoMemory = 0,       // never allocated, or a guard zone
  kUninitialised = 1,
  kInitialised = 2,
  kFreed = 3,
  kPending = 4,        // target of an asynchronous copy that was not waited for
  kBarrierObject = 5,  // part of a transaction barrier
};

// Who touched an aligned 4-byte word last; a stamp is explained in clocks.h. When `write` is kSplit, the bytes were not touched alike, and
// `read[0]` is the number of the word's ByteCells.
struct Cell {
  uint64_t write;
  uint64_t read[2];
};

constexpr uint64_t kSplit = ~uint64_t(0);

constexpr uint32_t kMostCluster = 16;
constexpr size_t kSharedStride = 512 * 1024;  // bytes between the shared memory of two blocks of a cluster

class DeviceMemory {
 public:
  explicit DeviceMemory(bool checked);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* allocate(size_t bytes);
  bool release(void* base);
  bool contains(const void* p, size_t bytes) const;
  void wrote(const void* p, size_t bytes);
  std::string describe(const void* p) const;

  unsigned char* shared(uint32_t rank) const { return base_ + rank * kSharedStride; }

  // Whether p lies in the device's address space at all; then its offset, which states and cells are found by.
  bool owns(const void* p) const { return offset_of(p) < size_; }
  uint64_t offset_of(const void* p) const { return uint64_t(static_cast<const unsigned char*>(p) - base_); }
  bool is_shared(uint64_t offset) const { return offset < kMostCluster * kSharedStride; }
  uint8_t* states() const { return states_; }  // null in the fast flavour
  Cell* cells() const { return cells_; }
  uint8_t* touched() const { return touched_; }  // per 4096 bytes: a cell is in use
  uint64_t size() const { return size_; }
  // Numbers of ByteCells whose words were cleared since the last call. Thread-safe.
  std::vector<uint64_t> take_retired();

 private:
  struct Allocation {
    uint64_t number;
    size_t bytes;
    uint64_t from, to;  // with guard zones
    bool freed;
  };
  std::map<uint64_t, Allocation>::const_iterator nearest(uint64_t offset) const;
  void give_back(uint64_t from, uint64_t to);
  void leave_quarantine();
  void clear_cells(uint64_t from, uint64_t to);

  mutable std::mutex mutex_;
  bool checked_;
  unsigned char* base_ = nullptr;
  uint64_t size_ = 0;
  uint8_t* states_ = nullptr;
  Cell* cells_ = nullptr;
  uint8_t* touched_ = nullptr;
  std::map<uint64_t, Allocation> allocations_;  // by offset of the first byte, freed ones in quarantine too
  std::map<uint64_t, uint64_t> free_;           // offset → end
  std::deque<uint64_t> quarantine_;
  uint64_t quarantined_ = 0;
  uint64_t next_number_ = 1;
  std::vector<uint64_t> retired_;
};

}  // namespace gk_emu

#endif
