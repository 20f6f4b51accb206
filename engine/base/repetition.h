// Repetition: whether what happens is what happened the last time, told event by event.
//
// Each event is a few words. The first run writes them down; after again() the same calls are compared with what was
// written, and from the first that differs on they are written anew. What was derived from an event of the last run is
// good exactly while is_same() holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace parallax {

class Repetition {
 public:
  void add(uint64_t word) {
    if (is_same_) {
      if (at_ < words_.size() && words_[at_] == word) {
        ++at_;
        return;
      }
      is_same_ = false;
      words_.resize(at_);
    }
    words_.push_back(word);
  }
  // Whether all words since again() were those of the last time, which had at least as many. False before again().
  bool is_same() const { return is_same_; }
  // The next word is the first of another run. What the last one wrote stays, behind what the next one repeats of it too.
  void again() {
    at_ = 0;
    is_same_ = true;
  }

 private:
  std::vector<uint64_t> words_;
  size_t at_ = 0;
  bool is_same_ = false;
};

}  // namespace parallax
