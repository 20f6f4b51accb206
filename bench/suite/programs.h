// The programs that speed is measured with.
//
// Written by hand as WebAssembly text, each a module without imports whose export `run` takes a scale and answers a
// checksum, both i32. Rows stand in bench/programs/programs.def; a result that is not the row's checksum is an error, never a
// measurement.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace parallax::bench {

enum class Family : uint8_t { kScalar, kGc };
const char* to_string(Family family);

struct Scale {
  uint32_t scale = 0;
  uint32_t checksum = 0;
};

struct Program {
  const char* name;
  Family family;
  Scale tiny;
  Scale full;
  const char* summary;
};

std::span<const Program> programs();
// Null when there is none of this name.
const Program* find_program(std::string_view name);
// The program as a binary module.
Result<std::vector<uint8_t>> assemble(const Program& program);

// A file that is part of this library ("fib.wat", "driver.js"); empty when there is none.
std::string_view embedded_text(std::string_view name);

}  // namespace parallax::bench
