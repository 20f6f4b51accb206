// CodeSpace: memory for machine code, mapped twice.
//
// One memory file is mapped writable at one address and executable at another, so that no page is ever both (W^X) and no
// protection is flipped while code runs. The first part of a space is for stubs (stub_cache.h), the rest for the code of
// one store. Code is appended; reset() forgets a store's and fills it with traps. Spaces are recycled between stores
// through a process-wide pool, because mapping one costs more than compiling a small module, and stubs stay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/base/result.h"

namespace parallax::jit {

class GuardSites;
class StubCache;

// The error of whoever finds no room in a space.
inline std::unexpected<Error> code_space_is_full() { return fail(ErrorCode::kLimit, 0, "code space is full"); }
inline bool says_full(const Error& error) {
  return error.code == ErrorCode::kLimit && error.message == "code space is full";
}

class CodeSpace {
 public:
  static constexpr size_t kBytes = size_t{64} << 20;
  static constexpr size_t kStubBytes = size_t{2} << 20;  // of them, in front

  enum class Part : uint8_t { kStubs, kCode };

  // Which mappings a new space has. perf takes names from its map file only for memory that has no file of its own.
  enum class Backing : uint8_t { kMemoryFile, kNoFile };

  // From the pool, or newly mapped. Error kIo when the system refuses.
  static Result<std::unique_ptr<CodeSpace>> acquire(Backing backing = Backing::kMemoryFile);
  // Resets the space and gives it to the pool.
  static void release(std::unique_ptr<CodeSpace> space);
  ~CodeSpace();
  CodeSpace(const CodeSpace&) = delete;
  CodeSpace& operator=(const CodeSpace&) = delete;

  // To which part code is appended; at first to the store's.
  void append_to(Part part) { part_ = part; }
  // Where the next code goes: the executable address, and the room to write it into through the other mapping.
  const uint8_t* next_code() const { return exec_ + end(); }
  std::span<uint8_t> room() const { return {write_ + end(), (part_ == Part::kCode ? kBytes : kStubBytes) - end()}; }
  // Keeps `bytes` written at room().
  void commit(size_t bytes);
  // Makes the relative jump or call whose 4 bytes of distance stand at `at` go to `target`. Requires: committed code, no
  // other thread in it; this one serializes before it fetches these bytes again (the compile stub does).
  void relink(uint32_t at, uint32_t target);
  // Of an address inside committed code.
  uint32_t offset_of(const void* code) const {
    return static_cast<uint32_t>(static_cast<const uint8_t*>(code) - exec_);
  }
  const uint8_t* at(uint32_t offset) const { return exec_ + offset; }
  bool contains(const void* code) const { return code >= exec_ && code < exec_ + used_; }
  // Offset behind the store's last code; stubs included.
  size_t used() const { return used_; }
  // Forgets what is behind the stubs.
  void reset();
  size_t stub_bytes() const { return stub_bytes_; }
  // Requires: no code refers to stubs. The cache knows none any more.
  void forget_stubs();
  StubCache& stubs() { return *stubs_; }

  // The space of the process whose executable mapping holds `code`, or null. For signal handlers on the thread that runs
  // that code: takes no lock and looks into no other space.
  static const CodeSpace* find(const void* code);
  // Whether find() knows this space: only so many fit its table.
  bool is_listed() const { return listed_; }
  // What the owner knows about faults of its code; null when it expects none.
  const GuardSites* guard_sites() const { return guard_sites_; }
  void set_guard_sites(const GuardSites* sites) { guard_sites_ = sites; }

 private:
  CodeSpace();
  size_t end() const { return part_ == Part::kCode ? used_ : stub_bytes_; }
  bool map_memory_file();
  bool map_without_file();

  Backing backing_ = Backing::kMemoryFile;
  uint8_t* write_ = nullptr;
  const uint8_t* exec_ = nullptr;
  size_t used_ = kStubBytes;
  size_t stub_bytes_ = 0;
  Part part_ = Part::kCode;
  std::unique_ptr<StubCache> stubs_;
  bool listed_ = false;
  const GuardSites* guard_sites_ = nullptr;
};

}  // namespace parallax::jit
