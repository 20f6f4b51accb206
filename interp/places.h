// Where entities of one kind stand: the nth one made since again() stands where the nth before it stood.
//
// Translated code holds addresses of entities. With their places kept, code of one run of a store serves the next run of
// the same modules (Store::rewind). Whoever is taken from here is new, but for Func::owned_code.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "interp/code.h"
#include "interp/entities.h"

namespace parallax::interp {

// As new where it stands.
template <class T>
void renew(T& entity) {
  const uint32_t serial = entity.serial;
  std::destroy_at(&entity);
  std::construct_at(&entity);
  entity.serial = serial;
}
inline void renew_func(Func& func) {
  auto code = std::move(func.owned_code);
  renew(func);
  func.owned_code = std::move(code);
}

template <class T>
class Places {
 public:
  std::unique_ptr<T> take() {
    const uint32_t n = made_++;
    if (n < idle_.size() && idle_[n] != nullptr) return std::move(idle_[n]);
    auto made = std::make_unique<T>();
    made->serial = n;
    return made;
  }
  void give(std::unique_ptr<T> gone) {
    if constexpr (std::is_same_v<T, Func>) {
      renew_func(*gone);
    } else {
      renew(*gone);
    }
    if (idle_.size() <= gone->serial) idle_.resize(gone->serial + 1);
    const uint32_t n = gone->serial;
    idle_[n] = std::move(gone);
  }
  uint32_t made() const { return made_; }
  void again() { made_ = 0; }

 private:
  std::vector<std::unique_ptr<T>> idle_;  // by serial
  uint32_t made_ = 0;
};

}  // namespace parallax::interp
