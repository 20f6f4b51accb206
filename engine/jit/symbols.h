// Names of compiled code, for tools outside of the process.
//
// perf reads /tmp/perf-PID.map: a line "START SIZE NAME" (hexadecimal) for every piece of code, appended as it is made. A
// debugger reads object files in memory that a list leads to, and stops at a function that says when the list changed (the
// "JIT Compilation Interface" of GDB's manual): one ELF file for each piece, with a symbol and with the rules by which
// frames are unwound, because only those lead through our prologues and stubs.
//
// Off unless asked for: names cost memory and time, and change nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/wasm/names.h"

namespace parallax::jit {

// How the frame of a piece of code is found, at places where something was called from it.
enum class FrameRule : uint8_t {
  kNone,    // nothing but the return address
  kPadded,  // and 8 bytes below it
  kFramed,  // from `frame_at` on a chain of rbp: behind "push rbp; mov rbp, rsp"
  kEntry,   // likewise, and the registers that C++ wants back are saved as the entry trampoline does it
};

struct CodeSymbol {
  std::span<const uint8_t> code;
  std::string name;
  FrameRule rule = FrameRule::kNone;
  uint32_t frame_at = 0;  // offset behind the push
};

// For whom code is named from now on: compilers made later do, in all threads. A process has one map and one list.
void name_code_for(bool perf_map, bool gdb);

class CodeSymbols {
 public:
  // By what was asked for; null when nobody wants names.
  static std::unique_ptr<CodeSymbols> make();
  CodeSymbols(bool perf_map, bool gdb) : perf_map_(perf_map), gdb_(gdb) {}
  // Takes its pieces from the debugger's list.
  ~CodeSymbols();
  CodeSymbols(const CodeSymbols&) = delete;
  CodeSymbols& operator=(const CodeSymbols&) = delete;

  void add(const CodeSymbol& symbol);
  // "wasm:NAME", or "wasm:func12" for functions without a name.
  std::string name_of(const std::shared_ptr<const wasm::Module>& module, uint32_t func);

  bool perf_map() const { return perf_map_; }

 private:
  struct Registered;  // an entry of the debugger's list and its object file
  bool perf_map_;
  bool gdb_;
  std::vector<Registered*> registered_;
  std::unordered_map<std::shared_ptr<const wasm::Module>, wasm::ModuleNames> names_;  // never iterated
};

// The object file that a debugger gets: ELF with .text (no content), .symtab, .strtab and .debug_frame.
std::vector<uint8_t> elf_of(const CodeSymbol& symbol);

}  // namespace parallax::jit
