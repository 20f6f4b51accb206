#include "triage/buckets.h"

#include <sqlite3.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <span>

#include "engine/base/text.h"
#include "triage/classify.h"
#include "triage/finding.h"
#include "triage/narrow.h"

namespace parallax::triage {

namespace fs = std::filesystem;

namespace {

constexpr const char* kStates[] = {"new", "known", "fixed", "reappeared"};  // ORDER: BucketState

// One table for what the folders say, one for what people say.
constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS findings (folder TEXT PRIMARY KEY, id TEXT NOT NULL, class TEXT NOT NULL,"
    " signature TEXT NOT NULL, difference TEXT NOT NULL, origin TEXT NOT NULL, fault TEXT NOT NULL,"
    " occurrences INTEGER NOT NULL, narrowed INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS buckets (id TEXT PRIMARY KEY, state TEXT NOT NULL, note TEXT NOT NULL DEFAULT '');";

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '-' || (c >= '0' && c <= '9'); });
}

std::string_view take_word(std::string_view& line) {
  const size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  const size_t end = std::min(line.find_first_of(" \t", begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

// Where a finding was not narrowed: what its signature says, marked as such.
std::string provisional_id(const Record& record) {
  const std::string text = record.signature + "\n" + record.fault;
  return text::format("unnarrowed-{}-{:012x}", to_string(record.kind), XXH64(text.data(), text.size(), 0) >> 16);
}

}  // namespace

const char* to_string(BucketState state) { return kStates[static_cast<size_t>(state)]; }

bool parse_bucket_state(std::string_view name, BucketState& out) {
  for (size_t i = 0; i < std::size(kStates); ++i) {
    if (name != kStates[i]) continue;
    out = static_cast<BucketState>(i);
    return true;
  }
  return false;
}

bool Suppression::matches(std::string_view id) const {
  if (!pattern.ends_with('*')) return id == pattern;
  return id.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
}

Result<std::vector<Suppression>> parse_suppressions(std::string_view text) {
  std::vector<Suppression> rows;
  uint32_t number = 0;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos || line[line.find_first_not_of(" \t")] == '#') continue;
    Suppression row{.line = number};
    row.pattern = take_word(line);
    row.until = take_word(line);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    row.reason = line;
    if (!is_date(row.until) || row.reason.empty()) {
      return fail(ErrorCode::kSyntax, number,
                  text::format("suppressions, line {}: expected an id, a date YYYY-MM-DD and a reason", number));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

uint64_t Bucket::occurrences() const {
  uint64_t sum = 0;
  for (const BucketRow& row : findings) sum += row.occurrences;
  return sum;
}

// --- SQLite --------------------------------------------------------------------------------------------------------

struct Buckets::Impl {
  std::string folder;
  sqlite3* db = nullptr;
  std::vector<Suppression> suppressions;

  ~Impl() { sqlite3_close(db); }

  std::unexpected<Error> broken() const {
    return fail(ErrorCode::kUnsupported, 0, text::format("{}/triage.db: {}", folder, sqlite3_errmsg(db)));
  }
  Result<> execute(const char* sql) {
    if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return broken();
    return {};
  }
  // Runs a statement with text parameters; `row` gets every row's columns as texts.
  using Row = std::vector<std::string>;
  Result<> query(const char* sql, std::span<const std::string> values, const std::function<void(Row)>& row = {}) const {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) != SQLITE_OK) return broken();
    for (size_t i = 0; i < values.size(); ++i) {
      sqlite3_bind_text(statement, static_cast<int>(i + 1), values[i].data(), static_cast<int>(values[i].size()),
                        SQLITE_TRANSIENT);
    }
    int status = SQLITE_ROW;
    while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
      Row columns;
      for (int c = 0; c < sqlite3_column_count(statement); ++c) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, c));
        columns.emplace_back(text != nullptr ? text : "");
      }
      if (row) row(std::move(columns));
    }
    sqlite3_finalize(statement);
    if (status != SQLITE_DONE) return broken();
    return {};
  }

  Result<> sync();
  Result<> sync_one(const std::string& name);
  Result<> came(const std::string& id);
};

// A bucket has a new finding or a further occurrence.
Result<> Buckets::Impl::came(const std::string& id) {
  const std::string values[] = {id};
  TRY(query("INSERT OR IGNORE INTO buckets (id, state) VALUES (?1, 'new')", values));
  return query("UPDATE buckets SET state = 'reappeared' WHERE id = ?1 AND state = 'fixed'", values);
}

Result<> Buckets::Impl::sync_one(const std::string& name) {
  const auto record = read_finding(folder + "/" + name);
  if (!record) return {};  // half written, or no finding
  const auto narrowed = read_narrowed(folder + "/" + name);
  const bool known = narrowed && !narrowed->id.empty();
  const std::string id = known ? narrowed->id : provisional_id(*record);
  const std::string bug =
      known ? narrowed->bug_class : to_string(classify(record->kind, record->signature, record->difference));
  std::string old_id;
  uint64_t old_count = 0;
  const std::string key[] = {name};
  TRY(query("SELECT id, occurrences FROM findings WHERE folder = ?1", key, [&](Row row) {
    old_id = row[0];
    old_count = std::strtoull(row[1].c_str(), nullptr, 10);
  }));
  const std::string values[] = {name,
                                id,
                                bug,
                                record->signature,
                                record->difference,
                                record->origin,
                                record->fault,
                                std::to_string(record->occurrences),
                                known ? "1" : "0"};
  TRY(query(
      "INSERT OR REPLACE INTO findings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CAST(?8 AS INTEGER), CAST(?9 AS INTEGER))",
      values));
  if (old_id.empty() || record->occurrences > old_count) return came(id);
  if (old_id == id) return {};
  // Narrowed since: the same finding under a better id takes what people said of it along.
  const std::string moved[] = {id, old_id};
  return query("INSERT OR IGNORE INTO buckets (id, state, note) SELECT ?1, state, note FROM buckets WHERE id = ?2",
               moved);
}

Result<> Buckets::Impl::sync() {
  TRY(execute("BEGIN IMMEDIATE"));
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    std::error_code unreadable;
    if (entry.is_directory(unreadable) && !name.starts_with('.')) names.push_back(name);
  }
  if (error) return fail(ErrorCode::kIo, 0, text::format("{}: {}", folder, error.message()));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) TRY(sync_one(name));
  std::vector<std::string> gone;
  TRY(query("SELECT folder FROM findings", {}, [&](Row row) {
    if (!std::binary_search(names.begin(), names.end(), row[0])) gone.push_back(row[0]);
  }));
  for (const std::string& name : gone) TRY(query("DELETE FROM findings WHERE folder = ?1", std::span(&name, 1)));
  return execute("COMMIT");
}

Buckets::Buckets(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Buckets::Buckets(Buckets&&) noexcept = default;
Buckets& Buckets::operator=(Buckets&&) noexcept = default;
Buckets::~Buckets() = default;

Result<Buckets> Buckets::open(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return fail(ErrorCode::kIo, 0, text::format("{}: no such folder", folder));
  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  const std::string suppressions = folder + "/suppressions.txt";
  if (fs::is_directory(suppressions, error))
    return fail(ErrorCode::kIo, 0, text::format("{}: is a folder, expected a file", suppressions));
  if (std::ifstream file(suppressions, std::ios::binary); file) {
    impl->suppressions = TRY(parse_suppressions(std::string{std::istreambuf_iterator<char>(file), {}}));
  }
  if (sqlite3_open((folder + "/triage.db").c_str(), &impl->db) != SQLITE_OK) return impl->broken();
  sqlite3_busy_timeout(impl->db, 10'000);
  TRY(impl->execute(kSchema));
  TRY(impl->sync());
  return Buckets(std::move(impl));
}

Result<std::vector<Bucket>> Buckets::list(std::string_view today) const {
  std::map<std::string, Bucket> buckets;
  const char* sql =
      "SELECT f.id, f.class, b.state, b.note, f.folder, f.signature, f.difference, f.origin, f.fault, f.occurrences,"
      " f.narrowed FROM findings f LEFT JOIN buckets b ON b.id = f.id ORDER BY f.id, f.folder";
  TRY(impl_->query(sql, {}, [&](Impl::Row row) {
    Bucket& bucket = buckets[row[0]];
    bucket.id = row[0];
    bucket.bug_class = row[1];
    parse_bucket_state(row[2], bucket.state);
    bucket.note = row[3];
    bucket.findings.push_back({.folder = row[4],
                               .signature = row[5],
                               .difference = row[6],
                               .origin = row[7],
                               .fault = row[8],
                               .occurrences = std::strtoull(row[9].c_str(), nullptr, 10),
                               .narrowed = row[10] == "1"});
  }));
  std::vector<Bucket> out;
  for (auto& [id, bucket] : buckets) {
    bucket.provisional =
        std::none_of(bucket.findings.begin(), bucket.findings.end(), [](const BucketRow& r) { return r.narrowed; });
    for (const Suppression& row : impl_->suppressions) {
      if (row.matches(id) && !row.expired(today)) bucket.suppressed = row.reason;
    }
    out.push_back(std::move(bucket));
  }
  return out;
}

Result<Bucket> Buckets::find(std::string_view name, std::string_view today) const {
  while (name.ends_with('/')) name.remove_suffix(1);
  name = name.substr(name.rfind('/') + 1);
  std::vector<Bucket> matching;
  for (Bucket& bucket : TRY(list(today))) {
    const bool holds = std::any_of(bucket.findings.begin(), bucket.findings.end(),
                                   [&](const BucketRow& row) { return row.folder == name; });
    if (bucket.id == name || holds) return std::move(bucket);
    if (bucket.id.starts_with(name)) matching.push_back(std::move(bucket));
  }
  if (matching.size() == 1) return std::move(matching.front());
  return fail(ErrorCode::kUsage, 0,
              matching.empty() ? text::format("no bucket and no finding is called '{}'", name)
                               : text::format("'{}' begins the ids of {} buckets", name, matching.size()));
}

Result<> Buckets::mark(std::string_view name, BucketState state, const std::string& note) {
  const Bucket bucket = TRY(find(name, ""));
  const std::string values[] = {bucket.id, to_string(state), note.empty() ? bucket.note : note};
  return impl_->query("INSERT OR REPLACE INTO buckets (id, state, note) VALUES (?1, ?2, ?3)", values);
}

Result<std::vector<std::string>> Buckets::review(std::string_view today) const {
  const std::vector<Bucket> buckets = TRY(list(today));
  std::vector<std::string> lines;
  for (const Suppression& row : impl_->suppressions) {
    const bool used =
        std::any_of(buckets.begin(), buckets.end(), [&](const Bucket& bucket) { return row.matches(bucket.id); });
    if (row.expired(today)) {
      lines.push_back(text::format("line {}: {} ran out on {} ({})", row.line, row.pattern, row.until, row.reason));
    } else if (!used) {
      lines.push_back(text::format("line {}: {} matches no bucket", row.line, row.pattern));
    }
  }
  return lines;
}

}  // namespace parallax::triage
