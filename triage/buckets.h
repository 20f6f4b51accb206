// Findings as buckets with a life: which are the same bug, what became of each, which are suppressed.
//
// The folders of findings stay what they are (finding.h); beside them stands triage.db (SQLite), which can be thrown away
// and is filled again from the folders, except for what people said (states and notes). A bucket is all findings of one
// id: that of narrow.json if a finding was narrowed, else a provisional one from its signature.
//
//   new          seen, nobody looked yet            known      somebody looked
//   fixed        somebody says it is gone           reappeared a further occurrence came after it was fixed
//
// Suppressions are rows of a text file, suppressions.txt beside the database, so that they are reviewed like code:
//
//   # id or id with * at its end   until         why
//   optimiser-1a2b3c4d5e6f         2027-01-31    waits for the rewrite of loads
//
// A suppression that has run out suppresses nothing and is reported.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace parallax::triage {

enum class BucketState : uint8_t { kNew, kKnown, kFixed, kReappeared };
const char* to_string(BucketState state);
bool parse_bucket_state(std::string_view name, BucketState& out);

struct Suppression {
  std::string pattern;
  std::string until;  // YYYY-MM-DD, the last day on which it holds
  std::string reason;
  uint32_t line = 0;
  bool matches(std::string_view id) const;
  bool expired(std::string_view today) const { return today > until; }
};
// kSyntax with the line for a row that is none.
Result<std::vector<Suppression>> parse_suppressions(std::string_view text);

struct BucketRow {
  std::string folder;  // name below the folder of findings
  std::string signature, difference, origin, fault;
  uint64_t occurrences = 0;
  bool narrowed = false;
};

struct Bucket {
  std::string id, bug_class, note;
  BucketState state = BucketState::kNew;
  bool provisional = false;  // no finding of it was narrowed
  std::string suppressed;    // the reason, if a suppression holds
  std::vector<BucketRow> findings;
  uint64_t occurrences() const;
};

class Buckets {
 public:
  // Opens or makes the database of a folder of findings and brings it up to date with the folders. kIo when the folder is
  // not there, kUnsupported when the database cannot be used.
  static Result<Buckets> open(const std::string& folder);
  Buckets(Buckets&&) noexcept;
  Buckets& operator=(Buckets&&) noexcept;
  ~Buckets();

  // By id. `today` as YYYY-MM-DD decides about suppressions.
  Result<std::vector<Bucket>> list(std::string_view today) const;
  // kUsage when there is no such bucket. `name` is an id, a beginning of one, or a finding's folder.
  Result<Bucket> find(std::string_view name, std::string_view today) const;
  Result<> mark(std::string_view name, BucketState state, const std::string& note);
  // Lines about suppressions that ran out or matched nothing.
  Result<std::vector<std::string>> review(std::string_view today) const;

 private:
  struct Impl;
  explicit Buckets(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace parallax::triage
