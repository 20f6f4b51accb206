#include "triage/report/spec_rules.h"

namespace parallax::triage {

namespace {

constexpr SpecRule kInstructions[] = {
#define OP_RULE(prefix, section, place, rule) {prefix, section, place, rule},
#define TRAP_RULE(text, section, place, rule)
#define TOPIC_RULE(topic, section, place, rule)
#include "triage/report/spec_rules.def"
#undef OP_RULE
#undef TRAP_RULE
};
constexpr SpecRule kTraps[] = {
#define OP_RULE(prefix, section, place, rule)
#define TRAP_RULE(text, section, place, rule) {text, section, place, rule},
#include "triage/report/spec_rules.def"
#undef TRAP_RULE
#undef TOPIC_RULE
};
constexpr SpecRule kTopics[] = {
#define TRAP_RULE(text, section, place, rule)
#define TOPIC_RULE(topic, section, place, rule) {topic, section, place, rule},
#include "triage/report/spec_rules.def"
#undef OP_RULE
#undef TRAP_RULE
#undef TOPIC_RULE
};

}  // namespace

const SpecRule* rule_of_instruction(std::string_view instruction) {
  const SpecRule* best = nullptr;
  for (const SpecRule& row : kInstructions) {
    const std::string_view prefix = row.about;
    if (!instruction.starts_with(prefix)) continue;
    if (best == nullptr || prefix.size() > std::string_view(best->about).size()) best = &row;
  }
  return best;
}

const SpecRule* rule_of_trap(std::string_view text) {
  for (const SpecRule& row : kTraps) {
    if (text == row.about) return &row;
  }
  return nullptr;
}

const SpecRule* rule_of_topic(std::string_view component) {
  for (const SpecRule& row : kTopics) {
    if (component == row.about) return &row;
  }
  return nullptr;
}

}  // namespace parallax::triage
