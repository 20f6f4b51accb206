#include "engine/wasm/names.h"

#include <algorithm>

#include "engine/wasm/reader.h"

namespace parallax::wasm {
namespace {

// Subsections in the order in which they must stand. Exactly one of the members is set.
struct Subsection {
  uint8_t id;
  std::vector<NameEntry> ModuleNames::* direct;
  std::vector<IndirectNameEntry> ModuleNames::* indirect;
};
constexpr uint8_t kModuleName = 0;
constexpr Subsection kSubsections[] = {
    {1, &ModuleNames::funcs, nullptr},   {2, nullptr, &ModuleNames::locals}, {3, nullptr, &ModuleNames::labels},
    {4, &ModuleNames::types, nullptr},   {5, &ModuleNames::tables, nullptr}, {6, &ModuleNames::memories, nullptr},
    {7, &ModuleNames::globals, nullptr}, {8, &ModuleNames::elems, nullptr},  {9, &ModuleNames::datas, nullptr},
    {10, nullptr, &ModuleNames::fields}, {11, &ModuleNames::tags, nullptr},
};

uint64_t key_of(const NameEntry& e) { return e.index; }
uint64_t key_of(const IndirectNameEntry& e) { return uint64_t{e.outer} << 32 | e.index; }

// By key; of equal keys the first one in the input is kept.
template <class Entry>
void sort_unique(std::vector<Entry>& entries) {
  std::vector<std::pair<uint64_t, size_t>> order;
  for (size_t i = 0; i < entries.size(); ++i) order.push_back({key_of(entries[i]), i});
  std::sort(order.begin(), order.end());
  std::vector<Entry> sorted;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || order[i].first != order[i - 1].first) sorted.push_back(std::move(entries[order[i].second]));
  }
  entries = std::move(sorted);
}

void read_map(Reader& in, std::vector<NameEntry>& entries) {
  const uint32_t n = in.count();
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    const uint32_t index = in.u32();
    std::string name(in.name());
    if (in.ok()) entries.push_back({index, std::move(name)});
  }
}

void read_indirect_map(Reader& in, std::vector<IndirectNameEntry>& entries) {
  const uint32_t n = in.count();
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    const uint32_t outer = in.u32();
    const uint32_t m = in.count();
    for (uint32_t k = 0; k < m && in.ok(); ++k) {
      const uint32_t index = in.u32();
      std::string name(in.name());
      if (in.ok()) entries.push_back({outer, index, std::move(name)});
    }
  }
}

void read_subsection(Reader in, uint8_t id, ModuleNames& names) {
  if (id == kModuleName) names.module = std::string(in.name());
  for (const Subsection& row : kSubsections) {
    if (row.id != id) continue;
    if (row.direct != nullptr) read_map(in, names.*row.direct);
    else read_indirect_map(in, names.*row.indirect);
  }
}

void write_subsection(ByteWriter& out, uint8_t id, const ByteWriter& content) {
  out.u8(id);
  out.sized(content.bytes());
}

void write_map(ByteWriter& out, std::vector<NameEntry> entries) {
  sort_unique(entries);
  out.uleb(entries.size());
  for (const NameEntry& e : entries) {
    out.uleb(e.index);
    out.name(e.name);
  }
}

void write_indirect_map(ByteWriter& out, std::vector<IndirectNameEntry> entries) {
  sort_unique(entries);
  std::vector<std::pair<size_t, size_t>> groups;  // ranges of one outer index
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i == 0 || entries[i].outer != entries[i - 1].outer) groups.push_back({i, i});
    groups.back().second = i + 1;
  }
  out.uleb(groups.size());
  for (const auto& [begin, end] : groups) {
    out.uleb(entries[begin].outer);
    out.uleb(end - begin);
    for (size_t i = begin; i < end; ++i) {
      out.uleb(entries[i].index);
      out.name(entries[i].name);
    }
  }
}

}  // namespace

bool ModuleNames::empty() const {
  return module.empty() && std::all_of(std::begin(kSubsections), std::end(kSubsections), [this](const Subsection& row) {
           return row.direct != nullptr ? (this->*row.direct).empty() : (this->*row.indirect).empty();
         });
}

std::string_view ModuleNames::find(const std::vector<NameEntry>& entries, uint32_t index) {
  const auto it = std::lower_bound(entries.begin(), entries.end(), uint64_t{index},
                                   [](const NameEntry& e, uint64_t key) { return key_of(e) < key; });
  return it != entries.end() && it->index == index ? std::string_view(it->name) : std::string_view();
}

std::string_view ModuleNames::find(const std::vector<IndirectNameEntry>& entries, uint32_t outer, uint32_t index) {
  const auto it = std::lower_bound(entries.begin(), entries.end(), uint64_t{outer} << 32 | index,
                                   [](const IndirectNameEntry& e, uint64_t key) { return key_of(e) < key; });
  return it != entries.end() && it->outer == outer && it->index == index ? std::string_view(it->name)
                                                                         : std::string_view();
}

ModuleNames read_names(const Module& module) {
  ModuleNames names;
  const auto section = std::find_if(module.customs.begin(), module.customs.end(),
                                    [](const CustomSection& custom) { return custom.name == "name"; });
  if (section == module.customs.end()) return names;
  Reader in(module.bytes, section->content);
  while (in.ok() && !in.at_end()) {
    const uint8_t id = in.u8();
    const uint32_t size = in.u32();
    if (!in.ok() || size > in.remaining()) break;
    read_subsection(in.sub(size), id, names);
  }
  for (const Subsection& row : kSubsections) {
    if (row.direct != nullptr) sort_unique(names.*row.direct);
    else sort_unique(names.*row.indirect);
  }
  return names;
}

void encode(ByteWriter& out, const ModuleNames& names) {
  if (!names.module.empty()) {
    ByteWriter content;
    content.name(names.module);
    write_subsection(out, kModuleName, content);
  }
  for (const Subsection& row : kSubsections) {
    ByteWriter content;
    if (row.direct != nullptr && !(names.*row.direct).empty()) write_map(content, names.*row.direct);
    if (row.indirect != nullptr && !(names.*row.indirect).empty()) write_indirect_map(content, names.*row.indirect);
    if (content.size() != 0) write_subsection(out, row.id, content);
  }
}

}  // namespace parallax::wasm
