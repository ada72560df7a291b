#pragma once

#include <cstddef>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace modeldiff {

/// Memory that begins with a cache line, so that no load of a vector crosses two.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  CacheLineAllocator() = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kLine));
  }
  void deallocate(T* at, std::size_t) { ::operator delete(at, kLine); }
  bool operator==(const CacheLineAllocator&) const { return true; }
};

template <typename T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

/// Memory that is used again from call to call: fresh pages cost more than what is done in them.
template <typename S>
class SpareMemory {
 public:
  AlignedVector<S> take() {
    const std::lock_guard lock(mutex_);
    if (spare_.empty()) return {};
    AlignedVector<S> out = std::move(spare_.back());
    spare_.pop_back();
    return out;
  }
  void give_back(AlignedVector<S> memory) {
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(memory));
  }

 private:
  std::mutex mutex_;
  std::vector<AlignedVector<S>> spare_;
};

}  // namespace modeldiff
