// WASI preview 1 for programs on any executor: standard streams, arguments, environment, clock, random numbers, exit.
//
// Works over the embedding interface only, so that interpreter and engine run the same programs. There are no files: a
// program sees the three standard streams and no preopened directory. Everything it can observe is given in the options;
// the defaults are deterministic (a clock that ticks once per question, random numbers from a seed).
//
//   runtime::Wasi wasi(store, types, {.args = {"prog"}});
//   ... for each import: if (auto item = wasi.import(import.module, import.name)) imports.push_back(*item);
//   store.instantiate(module, imports, id);  wasi.bind(id);  store.call(start, {});
//   if (wasi.exit_code()) ...   // the program called proc_exit; the call's outcome is then a host trap
//
// Lives as long as the store may call its functions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/choices.h"
#include "engine/wasm/embed.h"

namespace parallax::runtime {

struct WasiOptions {
  std::vector<std::string> args;  // the program's name first
  std::vector<std::string> env;   // "NAME=value"
  // Gets what the program writes to descriptor 1 or 2. Default: collected in Wasi::output.
  std::function<void(uint32_t descriptor, std::string_view)> write;
  // Fills the span from standard input and answers how much; 0 at the end. Default: empty.
  std::function<size_t(std::span<uint8_t>)> read;
  // Nanoseconds. Default: 1 us more at every question.
  std::function<uint64_t()> now;
  uint64_t random_seed = 0;
};

class Wasi {
 public:
  Wasi(wasm::Embedding& store, wasm::TypeStore& types, WasiOptions options);

  // The function of this name, if `module` is "wasi_snapshot_preview1" (or "wasi_unstable") and has one.
  std::optional<wasm::Extern> import(std::string_view module, std::string_view name);
  // Tells the functions whose memory (export "memory") they work on. Before, every pointer is EFAULT.
  void bind(wasm::InstanceId instance);
  // What proc_exit was called with, if it was.
  std::optional<uint32_t> exit_code() const { return exit_code_; }
  // What was written to descriptors 1 and 2 when the options do not say where to.
  const std::string& output(uint32_t descriptor) const { return collected_[descriptor == 2 ? 1 : 0]; }

 private:
  friend struct WasiRow;
  using Args = std::span<const wasm::Value>;
  // ORDER: none; the numbers are the standard's.
  enum Errno : uint32_t { kSuccess = 0, kBadf = 8, kFault = 21, kInval = 28, kNosys = 52, kSpipe = 70 };

  Errno args_get(Args args) { return put_strings(options_.args, args); }
  Errno args_sizes_get(Args args) { return put_sizes(options_.args, args); }
  Errno environ_get(Args args) { return put_strings(options_.env, args); }
  Errno environ_sizes_get(Args args) { return put_sizes(options_.env, args); }
  Errno clock_res_get(Args args);
  Errno clock_time_get(Args args);
  Errno fd_close(Args args) { return is_stream(args) ? kSuccess : kBadf; }
  Errno fd_sync(Args args) { return is_stream(args) ? kSuccess : kBadf; }
  Errno fd_fdstat_get(Args args);
  Errno fd_filestat_get(Args args);
  Errno fd_read(Args args);
  Errno fd_write(Args args);
  Errno random_get(Args args);
  Errno proc_exit(Args args);
  Errno not_seekable(Args args) { return is_stream(args) ? kSpipe : kBadf; }
  Errno bad_descriptor(Args) { return kBadf; }
  Errno unsupported(Args) { return kNosys; }
  Errno success(Args) { return kSuccess; }

  static bool is_stream(Args args) { return args[0].low <= 2; }
  Errno put_strings(const std::vector<std::string>& strings, Args args);
  Errno put_sizes(const std::vector<std::string>& strings, Args args);
  // The program's bytes, or nothing when they are not all inside its memory.
  std::optional<std::span<uint8_t>> bytes(uint64_t address, uint64_t size);
  // Stores little-endian; false: outside.
  bool put(uint64_t address, uint64_t value, uint32_t size);
  // Calls visit(bytes) for every buffer of a vector of them; false: something is outside.
  template <class Visit>
  bool for_each_buffer(uint64_t address, uint64_t count, Visit&& visit);
  void write_out(uint32_t descriptor, std::string_view text);

  wasm::Embedding& store_;
  wasm::TypeStore& types_;
  WasiOptions options_;
  ChoiceStream random_;
  std::optional<wasm::Extern> memory_;
  std::optional<uint32_t> exit_code_;
  std::string collected_[2];
  uint64_t ticks_ = 0;
};

}  // namespace parallax::runtime
