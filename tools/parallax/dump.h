// Stages of compilation as files: what `parallax run --dump=DIR` leaves behind.
//
//   f003.00-translate.ir   f003.01-simplify.ir ...   the function before all passes and after each that changed it;
//                                                    ir::parse reads them back
//   f003.90-machine.mir    f003.91-allocated.mir     machine IR before and after register allocation
//   f003.92-code.s                                   machine code, with offsets in the module, machine IR, stack maps
//
// A second function of the same number (another module, another store) gets names that start with f003b, f003c, ...
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/base/result.h"

namespace parallax::cli {

class StageFiles {
 public:
  // Makes the folder if it is missing; kIo when it cannot be written.
  static Result<StageFiles> in(const std::string& folder);

  void add(uint32_t func, const std::string& stage, const std::string& text);

  uint32_t files() const { return files_; }
  // The first file that could not be written; empty: none.
  const std::string& failure() const { return failure_; }

 private:
  struct Progress {
    uint32_t generation = 0;
    uint32_t stages = 0;
  };
  std::string folder_, failure_;
  std::map<uint32_t, Progress> functions_;
  uint32_t files_ = 0;
};

}  // namespace parallax::cli
