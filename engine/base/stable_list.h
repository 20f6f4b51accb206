// StableList: things in order, at addresses that neither growing nor starting again changes.
//
// Like a deque, but clear() keeps the memory: the nth thing made after it stands where the nth before it stood. That is
// what lets compiled code hold addresses of entities over several runs of the same modules (runtime::Store::rewind).
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace parallax {

template <class T>
class StableList {
 public:
  StableList() = default;
  ~StableList() { clear(); }
  StableList(const StableList&) = delete;
  StableList& operator=(const StableList&) = delete;

  template <class... Args>
  T& emplace_back(Args&&... args) {
    if (size_ == kChunk * chunks_.size()) chunks_.push_back(std::make_unique_for_overwrite<Place[]>(kChunk));
    T* const made = std::construct_at(&at(size_), std::forward<Args>(args)...);
    ++size_;
    return *made;
  }
  void pop_back() { std::destroy_at(&at(--size_)); }
  void clear() {
    while (size_ != 0) pop_back();
  }
  size_t size() const { return size_; }
  T& operator[](size_t n) { return at(n); }

  template <class List, class Item>
  struct Walk {
    List* list;
    size_t n;
    Item& operator*() const { return list->at(n); }
    Walk& operator++() {
      ++n;
      return *this;
    }
    friend bool operator==(const Walk& a, const Walk& b) { return a.n == b.n; }
  };
  auto begin() { return Walk<StableList, T>{this, 0}; }
  auto end() { return Walk<StableList, T>{this, size_}; }
  auto begin() const { return Walk<const StableList, const T>{this, 0}; }
  auto end() const { return Walk<const StableList, const T>{this, size_}; }

 private:
  static constexpr size_t kChunk = 16;
  // Memory for one thing.
  union Place {
    Place() {}
    ~Place() {}
    T thing;
  };
  T& at(size_t n) { return chunks_[n / kChunk][n % kChunk].thing; }
  const T& at(size_t n) const { return chunks_[n / kChunk][n % kChunk].thing; }

  std::vector<std::unique_ptr<Place[]>> chunks_;
  size_t size_ = 0;
};

}  // namespace parallax
