#include "tools/parallax/campaign_state.h"

#include <nlohmann/json.hpp>

#include "engine/base/text.h"
#include "tools/parallax/commands.h"

namespace parallax::cli {

using nlohmann::json;

std::string identity_of(const CampaignOptions& options) {
  std::string out =
      text::format("generator {} seed {} mutate {} feedback {} fault {} corpus {}", to_string(options.generator),
                   options.seed, options.mutate_percent, options.feedback, options.fault.empty() ? "-" : options.fault,
                   options.corpus.empty() ? "-" : options.corpus);
  if (!options.seeds.empty()) out += " seeds " + options.seeds;
  if (!options.adapt) out += " fixed share";
  if (options.keep != Keep::kNew || options.pick != fuzz::Pick::kRare || options.mutate_after != 4'000)
    out += text::format(" keep {} pick {} after {}", static_cast<int>(options.keep), static_cast<int>(options.pick),
                        options.mutate_after);
  if (options.schedules != 1) out += text::format(" schedules {}", options.schedules);
  if (options.without != 0) out += " without " + fuzz::names_of(options.without);
  for (const std::string& spec : options.executors) out += " " + spec;
  return out;
}

std::string state_path(const CampaignOptions& options) { return options.findings + "/campaign.state"; }

namespace {

// One hexadecimal digit for four features.
std::string pack(const std::vector<uint8_t>& features) {
  std::string out;
  for (size_t i = 0; i < features.size(); i += 4) {
    unsigned digit = 0;
    for (size_t bit = 0; bit < 4 && i + bit < features.size(); ++bit)
      digit |= (features[i + bit] != 0 ? 1u : 0u) << bit;
    out += "0123456789abcdef"[digit];
  }
  return out;
}

std::vector<uint8_t> unpack(const std::string& text) {
  std::vector<uint8_t> out;
  for (const char c : text) {
    const unsigned digit = c >= 'a' ? static_cast<unsigned>(c - 'a' + 10) : static_cast<unsigned>(c - '0');
    for (unsigned bit = 0; bit < 4; ++bit) out.push_back(digit >> bit & 1u);
  }
  out.resize(fuzz::kFeatureCount);
  return out;
}

}  // namespace

std::string to_text(const CampaignState& state) {
  json found = json::array();
  for (const FoundRow& row : state.found) {
    found.push_back({row.signature, row.difference, row.folder, row.count, row.first_seconds});
  }
  json yields = json::object();
  for (size_t i = 0; i < kMakers; ++i) {
    const Yield& row = state.yields[i];
    if (row.cases != 0) yields[maker_name(i)] = {row.cases, row.kept, row.features, row.nanoseconds};
  }
  const json out = {{"parallax", "campaign state"},
                    {"version", 4},
                    {"identity", state.identity},
                    {"next", state.next},
                    {"seconds", state.seconds},
                    {"counts", state.counts},
                    {"yields", yields},
                    {"reasons", state.reasons},
                    {"found", found},
                    {"features", pack(state.features)},
                    {"corpus_cases", state.corpus_cases},
                    {"corpus_bytes", state.corpus_bytes}};
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<CampaignState> parse_state(std::string_view text) {
  const auto damaged = [](const char* why) {
    return fail(ErrorCode::kUsage, 0, text::format("the state of the campaign is damaged: {}", why));
  };
  const json in = json::parse(text, nullptr, false);
  const auto is = [&](const char* member, const json& value) { return in.contains(member) && in[member] == value; };
  if (!in.is_object() || !is("parallax", "campaign state")) return damaged("not a state");
  if (!is("version", 4)) return damaged("another version's");
  CampaignState state;
  // Members of another type than expected: nlohmann throws, and nothing else in here does.
  try {
    state.identity = in.at("identity").get<std::string>();
    state.next = in.at("next").get<uint64_t>();
    state.seconds = in.at("seconds").get<double>();
    state.counts = in.at("counts").get<decltype(state.counts)>();
    for (size_t i = 0; i < kMakers; ++i) {
      const auto row = in.at("yields").find(maker_name(i));
      if (row != in.at("yields").end()) state.yields[i] = {row->at(0), row->at(1), row->at(2), row->at(3)};
    }
    state.reasons = in.at("reasons").get<decltype(state.reasons)>();
    for (const json& row : in.at("found")) {
      state.found.push_back({row.at(0), row.at(1), row.at(2), row.at(3), row.at(4)});
    }
    state.features = unpack(in.at("features").get<std::string>());
    state.corpus_cases = in.at("corpus_cases").get<uint64_t>();
    state.corpus_bytes = in.at("corpus_bytes").get<uint64_t>();
  } catch (const json::exception&) { return damaged("members are missing"); }
  return state;
}

Result<> save_state(const CampaignOptions& options, const CampaignState& state) {
  return write_file(state_path(options), to_text(state));
}

Result<CampaignState> load_state(const CampaignOptions& options) {
  const auto bytes = read_file(state_path(options));
  if (!bytes) { return fail(ErrorCode::kUsage, 0, text::format("nothing to resume: {}", bytes.error().message)); }
  CampaignState state = TRY(parse_state(std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size())));
  const std::string wanted = identity_of(options);
  if (state.identity != wanted) {
    return fail(
        ErrorCode::kUsage, 0,
        text::format("{} is another campaign's: there '{}', here '{}'", state_path(options), state.identity, wanted));
  }
  return state;
}

Result<uint64_t> saved_seed(const CampaignOptions& options) {
  const auto bytes = read_file(state_path(options));
  if (!bytes) return fail(ErrorCode::kUsage, 0, text::format("nothing to resume: {}", bytes.error().message));
  const CampaignState state =
      TRY(parse_state(std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size())));
  const size_t at = state.identity.find(" seed ");
  return at == std::string::npos ? 0 : std::strtoull(state.identity.c_str() + at + 6, nullptr, 10);
}

}  // namespace parallax::cli
