// What the C++ examples share: a check that says what failed.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine/api/parallax.h"

namespace api = parallax::api;

#define CHECK_THAT(condition)                                                       \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                 \
    }                                                                               \
  } while (false)

// What a Result or an Expected holds; ends the program with the reason when there is nothing.
template <class T>
auto need(T&& got, const char* what) {
  if (!got) {
    if constexpr (requires { got.error().text(); }) {
      std::fprintf(stderr, "%s: %s\n", what, got.error().text().c_str());
    } else {
      std::fprintf(stderr, "%s: %s\n", what, got.error().to_string().c_str());
    }
    std::exit(1);
  }
  if constexpr (!std::is_void_v<typename std::remove_cvref_t<T>::value_type>) return *std::forward<T>(got);
}

// Whether a call was refused, with a text that contains `part`.
template <class T>
bool refused(const T& got, std::string_view part) {
  if (got) return false;
  std::string text;
  if constexpr (requires { got.error().text(); }) {
    text = got.error().text();
  } else {
    text = got.error().to_string();
  }
  if (text.find(part) != std::string::npos) return true;
  std::fprintf(stderr, "refused with another text: %s\n", text.c_str());
  return false;
}
