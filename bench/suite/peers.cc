#include "bench/suite/peers.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>

#include "engine/base/text.h"
#include "fuzz/external/engines.h"
#include "triage/child.h"

namespace parallax::bench {

namespace {

constexpr PeerRow kRows[] = {
#define PEER(name, program, how, environment, flags, summary) \
  {name, program, PeerDrive::how, environment, flags, summary},
#include "bench/suite/peers.def"
#undef PEER
};

constexpr PeerRow kCompilerRows[] = {
#define COMPILER(name, program, environment, flags, summary) \
  {name, program, PeerDrive::kScript, environment, flags, summary},
#include "bench/suite/compilers.def"
#undef COMPILER
};

// A JavaScript engine reserves much address space and uses little of it; what counts here is a program gone wild.
constexpr triage::ChildLimits kMeasureLimits{.seconds = 300, .rss_bytes = uint64_t{6} << 30};
constexpr triage::ChildLimits kVersionLimits{.seconds = 20};

using fuzz::command_in;
using fuzz::split;

// The first line of what it says to --version; an error when it does not run.
Result<std::string> version_of(std::vector<std::string> command) {
  command.emplace_back("--version");
  const triage::ChildResult seen = TRY(triage::run_child(command, kVersionLimits));
  if (!seen.ended_well() || seen.exit_code != 0) return fail(ErrorCode::kIo, 0, "does not answer --version");
  std::string line = seen.out.substr(0, seen.out.find('\n'));
  // "/long/path/wasmedge version 0.14" and "v26.1.0": from the first digit on.
  const size_t name = line.rfind('/');
  const size_t digit = line.find_first_of("0123456789", name == std::string::npos ? 0 : name);
  return digit == std::string::npos ? line : line.substr(digit, line.find_first_of(" ,)", digit) - digit);
}

// A JavaScript engine that is too old for WasmGC neither votes nor races.
Result<> knows_gc(std::vector<std::string> command) {
  command.insert(command.end(), {"-e",
                                 "if (!WebAssembly.validate(new Uint8Array([0,97,115,109,1,0,0,0,1,3,1,95,0]))) "
                                 "throw new Error('no WasmGC');"});
  const triage::ChildResult seen = TRY(triage::run_child(command, kVersionLimits));
  if (!seen.ended_well() || seen.exit_code != 0) return fail(ErrorCode::kUnsupported, 0, "has no WebAssembly GC");
  return {};
}

std::vector<std::string> command_of(const Peer& peer) {
  std::vector<std::string> command;
  if (*peer.row->environment != 0) {
    command.emplace_back("/usr/bin/env");
    for (std::string& word : split(peer.row->environment, ' ')) command.push_back(std::move(word));
  }
  command.insert(command.end(), peer.command.begin(), peer.command.end());
  for (std::string& word : split(peer.row->flags, ' ')) command.push_back(std::move(word));
  return command;
}

Error could_not(const triage::ChildResult& seen) {
  std::string why = seen.timed_out     ? "took too long"
                    : seen.over_memory ? "took too much memory"
                    : seen.signal != 0 ? text::format("died by signal {}", seen.signal)
                                       : text::format("ended with exit code {}", seen.exit_code);
  const std::string& said = seen.err.empty() ? seen.out : seen.err;
  // The line that names the error, else the first.
  size_t at = said.find("Error");
  at = at == std::string::npos ? 0 : said.rfind('\n', at) + 1;
  if (const std::string line = said.substr(at, std::min<size_t>(said.find('\n', at) - at, 160)); !line.empty())
    why += ": " + line;
  return {ErrorCode::kUnsupported, 0, std::move(why)};
}

Result<triage::ChildResult> run(const std::vector<std::string>& command) {
  triage::ChildResult seen = TRY(triage::run_child(command, kMeasureLimits));
  if (!seen.ended_well() || seen.exit_code != 0) return std::unexpected(could_not(seen));
  return seen;
}

// The number behind "parallax KEY " in the output.
std::optional<double> said(std::string_view out, std::string_view key) {
  const std::string mark = text::format("parallax {} ", key);
  const size_t at = out.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view number = out.substr(at + mark.size(), out.find('\n', at) - at - mark.size());
  double value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  if (read.ec != std::errc{} || !(value >= 0)) return std::nullopt;
  return value;
}

Result<Sample> by_script(const Peer& peer, const std::string& driver_path, const Subject& subject,
                         const Timing& timing) {
  std::vector<std::string> command = command_of(peer);
  const Scale& tiny = subject.program->tiny;
  command.insert(command.end(),
                 {driver_path, subject.path, text::format("{}", tiny.scale), text::format("{}", tiny.checksum),
                  text::format("{}", subject.scale.scale), text::format("{}", subject.scale.checksum),
                  text::format("{}", timing.warm_seconds), text::format("{}", timing.seconds)});
  const triage::ChildResult seen = TRY(run(command));
  if (const auto wrong = said(seen.out, "wrong")) {
    const bool at_tiny = !said(seen.out, "startup_us");
    return std::unexpected(wrong_checksum(static_cast<uint32_t>(*wrong), at_tiny ? tiny : subject.scale));
  }
  const auto steady = said(seen.out, "steady_us");
  if (!steady || *steady == 0) return fail(ErrorCode::kUnsupported, 0, "gave no time");
  return Sample{said(seen.out, "startup_us"), said(seen.out, "first_us"), *steady,
                static_cast<uint64_t>(said(seen.out, "calls").value_or(1))};
}

// The last line of the output that is a number, as it was meant: signed or not.
std::optional<uint32_t> printed_result(std::string_view out) {
  std::optional<uint32_t> result;
  for (const std::string& line : split(out, '\n')) {
    int64_t value = 0;
    const auto read = std::from_chars(line.data(), line.data() + line.size(), value);
    if (read.ec == std::errc{} && read.ptr == line.data() + line.size()) result = static_cast<uint32_t>(value);
  }
  return result;
}

struct ProcessRun {
  triage::ChildResult seen;
  double us = 0;
};
Result<ProcessRun> run_process(std::vector<std::string> command, const Scale& scale) {
  command.push_back(text::format("{}", scale.scale));
  ProcessRun result{TRY(run(command))};
  result.us = result.seen.seconds * 1e6;
  const auto got = printed_result(result.seen.out);
  if (!got) return fail(ErrorCode::kUnsupported, 0, "printed no result");
  if (*got != scale.checksum) return std::unexpected(wrong_checksum(*got, scale));
  return result;
}

Result<Sample> by_reactor(const Peer& peer, const Subject& subject) {
  std::vector<std::string> command = command_of(peer);
  command.insert(command.end(), {"--enable-time-measuring", "--reactor", subject.path, "run"});
  constexpr std::string_view kMark = "Wasm instructions execution time: ";
  const ProcessRun run = TRY(run_process(std::move(command), subject.scale));
  const std::string all = run.seen.out + run.seen.err;
  const size_t at = all.find(kMark);
  if (at == std::string::npos) return fail(ErrorCode::kUnsupported, 0, "gave no time");
  const double ns = std::strtod(all.c_str() + at + kMark.size(), nullptr);
  return Sample{std::nullopt, std::nullopt, ns / 1000, 1};
}

Result<Sample> by_command(const Peer& peer, const Subject& subject) {
  std::vector<std::string> command = command_of(peer);
  command.insert(command.end(), {"--invoke", "run", subject.path});
  const ProcessRun tiny = TRY(run_process(command, subject.program->tiny));
  const ProcessRun full = TRY(run_process(command, subject.scale));
  return Sample{tiny.us, std::nullopt, std::max(full.us - tiny.us, 1.0), 1};
}

std::vector<Peer> find(std::span<const PeerRow> rows, const std::vector<std::string>& folders,
                       std::vector<std::string>* notes) {
  std::vector<Peer> peers;
  for (const PeerRow& row : rows) {
    // The tiers of a program share what was found, or not, for the first one.
    if (&row != rows.data() && std::string_view((&row)[-1].program) == row.program) {
      if (!peers.empty() && std::string_view(peers.back().row->program) == row.program) {
        peers.push_back(peers.back());
        peers.back().row = &row;
      }
      continue;
    }
    for (const std::string& folder : folders) {
      const std::vector<std::string> command = command_in(folder, row.program);
      if (command.empty()) continue;
      auto version = version_of(command);
      if (const auto modern = row.drive == PeerDrive::kScript && version ? knows_gc(command) : Result<>(); !modern)
        version = fail(modern.error().code, 0, text::format("{} {}", *version, modern.error().message));
      if (version) {
        peers.push_back({&row, command, *version});
        break;
      }
      if (notes != nullptr) notes->push_back(text::format("{}: {}", command.back(), version.error().message));
    }
  }
  return peers;
}

}  // namespace

std::span<const PeerRow> peer_rows() { return kRows; }
std::span<const PeerRow> compiler_rows() { return kCompilerRows; }

std::vector<Peer> find_peers(const std::vector<std::string>& folders, std::vector<std::string>* notes) {
  return find(kRows, folders, notes);
}
std::vector<Peer> find_compilers(const std::vector<std::string>& folders, std::vector<std::string>* notes) {
  return find(kCompilerRows, folders, notes);
}

Result<double> measure_compiler(const Peer& peer, const std::string& driver_path, const std::string& module_path,
                                double seconds) {
  const auto spent = [] {  // microseconds of all children that ended
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    const auto us = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
    };
    return us(usage.ru_utime) + us(usage.ru_stime);
  };
  std::vector<std::string> command = command_of(peer);
  command.insert(command.end(), {driver_path, module_path, text::format("{}", seconds)});
  const double begin = spent();
  const triage::ChildResult seen = TRY(run(command));
  const double all = spent() - begin;
  if (const auto us = said(seen.out, "compile_us"); us && *us > 0) return *us;
  const auto times = said(seen.out, "compiled");
  if (!times || *times == 0) return fail(ErrorCode::kUnsupported, 0, "gave no time");
  command.back() = "0";
  const double before = spent();
  TRY(run(command));
  return std::max(1.0, all - (spent() - before)) / *times;
}

Result<Sample> measure(const Peer& peer, const std::string& driver_path, const Subject& subject, const Timing& timing) {
  switch (peer.row->drive) {
    case PeerDrive::kScript: return by_script(peer, driver_path, subject, timing);
    case PeerDrive::kReactor: return by_reactor(peer, subject);
    case PeerDrive::kCommand: return by_command(peer, subject);
  }
  return fail(ErrorCode::kUsage, 0, "unknown kind of peer");
}

}  // namespace parallax::bench
