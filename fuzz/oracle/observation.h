// What an executor was seen to do with a case: a flat sequence of tokens, equal exactly if the executors agreed.
//
// Tokens are executor-independent: no names of references, no addresses. Objects are numbered in the order in which a
// breadth-first walk from globals, tables and kept results meets them, so two heaps give equal tokens exactly if they are
// isomorphic (types, contents, sharing and identity). A difference is found by comparing memory, and put into words
// afterwards from the tokens before it (difference.cc), so that agreeing costs next to nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/wasm/embed.h"

namespace parallax::fuzz {

enum class Tok : uint32_t {  // wide, so that Token has no padding and observations compare as memory
#define TOKEN(id, component) id,
#include "fuzz/oracle/tokens.def"
#undef TOKEN
};
// Which part of the comparison a token belongs to: "result", "trap", "graph", ...
const char* component(Tok tok);

struct Token {
  Tok tok;
  uint32_t aux = 0;
  uint64_t value = 0;
  friend bool operator==(const Token&, const Token&) = default;
};

// Something that is wrong with one executor alone, whatever the others did.
enum class FaultClass : uint8_t { kNone, kInvariant, kMisuse, kVerify, kExpectation };

// Memories are compared by hashes of pieces of this size.
inline constexpr size_t kMemoryChunk = 4096;
// Host calls are recorded token by token up to this many; the rest of each step is one hash.
inline constexpr uint32_t kMaxTraceTokens = 4096;

// How a step ended and where, if known. Not compared: executors need not know places.
struct OutcomePlace {
  wasm::OutcomeKind kind = wasm::OutcomeKind::kReturned;
  wasm::TrapKind trap = wasm::TrapKind::kUnreachable;
  uint32_t func = 0;
  wasm::WasmOffset offset = 0;
};

struct Observation {
  std::vector<Token> tokens;
  // The run ended early for a reason that judges nothing: unsupported, real memory, native stack.
  bool inconclusive = false;
  std::string inconclusive_reason;  // short and countable: "unsupported: simd"
  size_t conclusive_tokens = 0;     // with `inconclusive`: how many tokens still count
  FaultClass fault = FaultClass::kNone;
  std::string fault_text;
  // What ran, for the health line.
  uint64_t calls = 0, returned = 0, trapped = 0, threw = 0, exhausted = 0;
  uint64_t objects = 0;
  wasm::StoreStats stats;
  std::vector<OutcomePlace> places;  // by outcome

  void put(Tok tok, uint32_t aux, uint64_t value) { tokens.push_back({tok, aux, value}); }
  void put(Tok tok, uint64_t value = 0) { tokens.push_back({tok, 0, value}); }
  void fail(FaultClass kind, std::string text) {
    if (fault != FaultClass::kNone) return;
    fault = kind;
    fault_text = std::move(text);
  }
  // Empties it and keeps the memory.
  void clear();
};

}  // namespace parallax::fuzz
