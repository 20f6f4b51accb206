// Other engines as processes: finding them on this machine, and measuring a program with one.
//
// Engines are looked for where voters are: fuzz/external/engines.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/suite/measure.h"
#include "engine/base/result.h"

namespace parallax::bench {

// kScript: runs driver.js. kReactor: the command line of WasmEdge, which reports the time of the call itself.
// kCommand: calls an export with `--invoke`; the time is that of the process, less the time at the tiny scale.
enum class PeerDrive : uint8_t { kScript, kReactor, kCommand };

struct PeerRow {
  const char* name;
  const char* program;
  PeerDrive drive;
  const char* environment;
  const char* flags;
  const char* summary;
};
std::span<const PeerRow> peer_rows();

struct Peer {
  const PeerRow* row = nullptr;
  std::vector<std::string> command;  // how its program is started, without flags
  std::string version;
};

// The peers whose program is in one of the folders and answers when it is asked for its version. `notes` gets a line for
// each that was found and is of no use.
std::vector<Peer> find_peers(const std::vector<std::string>& folders, std::vector<std::string>* notes = nullptr);
// The same for tiers whose compilers are measured alone (compilers.def).
std::span<const PeerRow> compiler_rows();
std::vector<Peer> find_compilers(const std::vector<std::string>& folders, std::vector<std::string>* notes = nullptr);

// In child processes. Requires: subject.path, and driver_path names driver.js as a file. kInvariant: a wrong checksum;
// kUnsupported: it could not run the program.
Result<Sample> measure(const Peer& peer, const std::string& driver_path, const Subject& subject, const Timing& timing);

// Microseconds of processor time that a compiler needs for a module, decoding and validation included; the mean over
// `seconds`. `driver_path` names compile_driver.js.
Result<double> measure_compiler(const Peer& peer, const std::string& driver_path, const std::string& module_path,
                                double seconds);

}  // namespace parallax::bench
