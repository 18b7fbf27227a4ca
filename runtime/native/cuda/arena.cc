#include "arena.h"

#include <algorithm>

namespace griffin::cuda {
namespace {

constexpr uint64_t kAlignment = 256;
// Blocks up to this size share slabs of kSmallSlab; larger ones have slabs of their own, in steps of kLargeStep. Two kinds of slabs, so
// that a small buffer that lives long never holds a hole of many megabytes.
constexpr uint64_t kSmallBlock = uint64_t{1} << 20;
constexpr uint64_t kSmallSlab = uint64_t{4} << 20;
constexpr uint64_t kLargeStep = uint64_t{2} << 20;
// A rest smaller than this is left at the end of a large block instead of becoming one.
constexpr uint64_t kLargeRest = uint64_t{1} << 20;
// How far past a block's end an address still belongs to its story.
constexpr uint64_t kNear = 4096;

uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

void Arena::fail(uint64_t needed, const std::string& label, CUresult result) {
  size_t free = 0, total = 0;
  context_->api().cuMemGetInfo_v2(&free, &total);
  uint64_t kept = 0;
  for (const auto* list : {&free_small_, &free_large_})
    for (const auto& [bytes, address] : *list) kept += bytes;
  throw OutOfMemory(FailureKind::kDevice,
                label + ": needs " + std::to_string(needed) + " bytes of device memory, free are " + std::to_string(free) + " of " +
                    std::to_string(total) + " on " + context_->name() + " (this process holds " + std::to_string(reserved_ - kept) + "): " +
                    context_->driver().describe(result) +
                    "\n  try: a smaller --context or --prefill-chunk, --strategy gather instead of compact, or a smaller model");
}

CUdeviceptr Arena::from_driver(uint64_t bytes, uint64_t needed, const std::string& label) {
  CUdeviceptr address = 0;
  CUresult result = context_->api().cuMemAlloc_v2(&address, bytes);
  if (result == CUDA_ERROR_OUT_OF_MEMORY) {
    context_->hold_funerals();
    trim_locked();
    result = context_->api().cuMemAlloc_v2(&address, bytes);
  }
  if (result == CUDA_ERROR_OUT_OF_MEMORY) fail(needed, label, result);
  context_->check(result, label + ": allocating " + std::to_string(bytes) + " bytes of device memory");
  reserved_ += bytes;
  return address;
}

void Arena::forget_free(Blocks::iterator block) {
  auto& list = free_list(block->second.slab->large);
  const auto [first, last] = list.equal_range(block->second.bytes);
  list.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == block->first; }));
}

void Arena::remember_free(Blocks::iterator block) { free_list(block->second.slab->large).emplace(block->second.bytes, block->first); }

Arena::Blocks::iterator Arena::best_fit(uint64_t bytes, bool large) {
  auto& list = free_list(large);
  const auto found = list.lower_bound(bytes);
  if (found == list.end()) return blocks_.end();
  const auto block = blocks_.find(found->second);
  list.erase(found);
  return block;
}

CUdeviceptr Arena::allocate(uint64_t bytes, const std::string& label) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Context::Scope scope(*context_);
  context_->require_usable();
  if (bytes > uint64_t{1} << 46) fail(bytes, label, CUDA_ERROR_OUT_OF_MEMORY);
  if (exact_) {
    const CUdeviceptr address = from_driver(std::max<uint64_t>(bytes, 1), bytes, label);
    blocks_.emplace(address, Block{std::max<uint64_t>(bytes, 1), nullptr, true, label, bytes});
    return address;
  }
  const uint64_t size = round_up(std::max<uint64_t>(bytes, 1), kAlignment);
  const bool large = size > kSmallBlock;
  auto block = best_fit(size, large);
  if (block == blocks_.end()) {
    const uint64_t slab_bytes = large ? round_up(size, kLargeStep) : kSmallSlab;
    const CUdeviceptr base = from_driver(slab_bytes, bytes, label);
    auto slab = std::make_unique<Slab>(Slab{base, slab_bytes, large});
    block = blocks_.emplace(base, Block{slab_bytes, slab.get(), false, {}, 0}).first;
    slabs_.emplace(base, std::move(slab));
  }
  const uint64_t rest = block->second.bytes - size;
  if (rest >= (large ? kLargeRest : kAlignment)) {
    block->second.bytes = size;
    remember_free(blocks_.emplace(block->first + size, Block{rest, block->second.slab, false, {}, 0}).first);
  }
  block->second.used = true;
  block->second.label = label;
  block->second.wanted = bytes;
  return block->first;
}

void Arena::release(CUdeviceptr address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  auto block = blocks_.find(address);
  if (block == blocks_.end()) return;
  if (exact_) {
    context_->bury([address](const DriverApi& api) { api.cuMemFree_v2(address); });
    reserved_ -= block->second.bytes;
    blocks_.erase(block);
    return;
  }
  block->second.used = false;
  if (const auto next = std::next(block); next != blocks_.end() && next->second.slab == block->second.slab && !next->second.used) {
    forget_free(next);
    block->second.bytes += next->second.bytes;
    blocks_.erase(next);
  }
  if (block != blocks_.begin()) {
    const auto before = std::prev(block);
    if (before->second.slab == block->second.slab && !before->second.used) {
      forget_free(before);
      before->second.bytes += block->second.bytes;
      blocks_.erase(block);
      block = before;
    }
  }
  remember_free(block);
}

void Arena::trim_locked() {
  for (auto slab = slabs_.begin(); slab != slabs_.end();) {
    const auto block = blocks_.find(slab->first);
    if (block->second.used || block->second.bytes != slab->second->bytes) {
      ++slab;
      continue;
    }
    forget_free(block);
    blocks_.erase(block);
    context_->api().cuMemFree_v2(slab->first);
    reserved_ -= slab->second->bytes;
    slab = slabs_.erase(slab);
  }
}

void Arena::trim() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_ || context_->hung()) return;
  const Context::Scope scope(*context_);
  trim_locked();
}

std::string Arena::describe(uint64_t address) const {
  // A failure may be worded while the arena is asking the driver for memory.
  const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return "";
  auto block = blocks_.upper_bound(address);
  if (block == blocks_.begin()) return "";
  --block;
  if (!block->second.used || address - block->first > block->second.bytes + kNear) return "";
  return "byte " + std::to_string(address - block->first) + " of `" + block->second.label + "` (" + std::to_string(block->second.wanted) + " bytes)";
}

uint64_t Arena::reserved_bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return reserved_;
}

void Arena::close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  closed_ = true;
  if (!context_->hung()) {
    const Context::Scope scope(*context_);
    if (exact_)
      for (const auto& [address, block] : blocks_) context_->api().cuMemFree_v2(address);
    for (const auto& [base, slab] : slabs_) context_->api().cuMemFree_v2(base);
  }
  blocks_.clear();
  slabs_.clear();
  free_small_.clear();
  free_large_.clear();
  reserved_ = 0;
}

}  // namespace griffin::cuda
