// Handles: numbers that are never given out twice, so that a stale handle, or one of another kind, is always found out.
#ifndef GK_EMULATED_REGISTRY_H
#define GK_EMULATED_REGISTRY_H
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace gk_emu_driver {

// One sequence for all kinds. Starts above the special stream handles and looks like a pointer to callers.
inline uintptr_t nextHandle() {
  static uintptr_t last = 0x10000;
  return last += 16;
}

// What is alive of one kind. `Handle` is the driver's opaque pointer type. Used under the driver's lock.
template <typename Handle, typename T>
class Registry {
 public:
  Handle add(std::shared_ptr<T> object) {
    const uintptr_t number = nextHandle();
    objects_.emplace(number, std::move(object));
    return reinterpret_cast<Handle>(number);
  }
  std::shared_ptr<T> find(Handle handle) const {
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
  // The object that was there, or null.
  std::shared_ptr<T> remove(Handle handle) {
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    if (found == objects_.end()) return nullptr;
    std::shared_ptr<T> object = std::move(found->second);
    objects_.erase(found);
    return object;
  }
  template <typename Predicate>
  void removeIf(Predicate predicate) {
    for (auto entry = objects_.begin(); entry != objects_.end();) {
      if (predicate(*entry->second)) entry = objects_.erase(entry);
      else ++entry;
    }
  }
  template <typename Visit>
  void each(Visit visit) const {
    for (const auto& entry : objects_) visit(entry.second);
  }
  size_t size() const { return objects_.size(); }

 private:
  std::unordered_map<uintptr_t, std::shared_ptr<T>> objects_;
};

}  // namespace gk_emu_driver

#endif
