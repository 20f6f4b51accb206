#include "triage/report/heap_picture.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "engine/base/text.h"
#include "triage/junit.h"

namespace parallax::triage {

using fuzz::Tok;

namespace {

// --- Reading -------------------------------------------------------------------------------------------------------
bool is_value(Tok tok) {
  switch (tok) {
    case Tok::kI32:
    case Tok::kI64:
    case Tok::kF32:
    case Tok::kF64:
    case Tok::kV128Low:
    case Tok::kV128High:
    case Tok::kNull:
    case Tok::kI31:
    case Tok::kHost:
    case Tok::kFunc:
    case Tok::kHostFunc:
    case Tok::kObject:
    case Tok::kSeen:
    case Tok::kShallow:
    case Tok::kBroken: return true;
    default: return false;
  }
}

// "object 3 (struct), met before" is told by an arrow.
std::string kind_in(const std::string& line) {
  const size_t open = line.find('('), close = line.find(')', open);
  return close == std::string::npos ? "object" : line.substr(open + 1, close - open - 1);
}

class HeapReader {
 public:
  explicit HeapReader(const Observed& seen) : seen_(seen) {}

  HeapGraph read() {
    size_t at = 0;
    while (at < seen_.tokens.size() && !begins_final_state(seen_.tokens[at].tok)) ++at;
    for (; at < seen_.tokens.size(); ++at) token(seen_.tokens[at], seen_.lines[at]);
    return std::move(graph_);
  }

 private:
  static bool begins_final_state(Tok tok) {
    return tok == Tok::kGlobal || tok == Tok::kTable || tok == Tok::kMemory || tok == Tok::kRoot;
  }

  void token(const fuzz::Token& token, const std::string& line) {
    switch (token.tok) {
      case Tok::kGlobal:
      case Tok::kRoot:
        section_ = name_ = line;
        inside_ = false;
        return;
      case Tok::kTable:
        section_ = name_ = line;
        inside_ = false;
        return;
      case Tok::kTableElement: name_ = text::format("{}, {}", section_, line); return;
      case Tok::kContents:
        inside_ = true;
        current_ = token.value;
        if (current_ > kMaxObjects) current_ = kMaxObjects;
        object(current_).kind = kind_in(line);
        return;
      case Tok::kType:
      case Tok::kExnTag:
        if (inside_) object(current_).type = line;
        return;
      case Tok::kLength:
        if (inside_) object(current_).length = token.value;
        return;
      case Tok::kField: field_ = token.value; return;
      case Tok::kTruncated: graph_.truncated = true; return;
      default: break;
    }
    if (is_value(token.tok)) value(token, line);
  }

  void value(const fuzz::Token& token, const std::string& line) {
    HeapValue value{.text = line};
    if ((token.tok == Tok::kObject || token.tok == Tok::kSeen) && token.value <= kMaxObjects) {
      value.object = static_cast<uint32_t>(token.value);
      value.text = text::format("{} {}", kind_in(line), token.value);
      object(token.value).kind = kind_in(line);
    }
    if (token.tok == Tok::kV128High && join_high(line)) return;
    if (inside_) {
      object(current_).fields.emplace_back(field_, value);
    } else {
      graph_.roots.push_back({name_, value});
    }
  }

  // The upper half of a vector belongs to the value before it.
  bool join_high(const std::string& line) {
    if (inside_ && !object(current_).fields.empty()) {
      object(current_).fields.back().second.text += ", " + line;
    } else if (!inside_ && !graph_.roots.empty()) {
      graph_.roots.back().value.text += ", " + line;
    } else {
      return false;
    }
    return true;
  }

  HeapObject& object(uint64_t number) {
    if (graph_.objects.size() <= number) graph_.objects.resize(number + 1);
    return graph_.objects[number];
  }

  static constexpr uint64_t kMaxObjects = 100'000;
  const Observed& seen_;
  HeapGraph graph_;
  std::string section_, name_;
  bool inside_ = false;
  uint64_t current_ = 0, field_ = 0;
};

// --- Comparing -----------------------------------------------------------------------------------------------------
HeapMarks no_marks(const HeapGraph& graph) {
  HeapMarks marks{.roots = std::vector<bool>(graph.roots.size()), .objects = std::vector<bool>(graph.objects.size())};
  for (const HeapObject& object : graph.objects) marks.fields.emplace_back(object.fields.size());
  return marks;
}

class Comparer {
 public:
  Comparer(const HeapGraph& left, const HeapGraph& right) : left_(left), right_(right) {
    result_.left = no_marks(left);
    result_.right = no_marks(right);
    to_right_.assign(left.objects.size(), kNone);
    to_left_.assign(right.objects.size(), kNone);
  }

  HeapComparison compare() {
    // Roots by name: tables list only elements that are not null.
    std::map<std::string, std::vector<size_t>> right_by_name;
    for (size_t i = 0; i < right_.roots.size(); ++i) right_by_name[right_.roots[i].name].push_back(i);
    std::map<std::string, size_t> taken;
    for (size_t i = 0; i < left_.roots.size(); ++i) {
      const auto& same = right_by_name[left_.roots[i].name];
      const size_t nth = taken[left_.roots[i].name]++;
      if (nth >= same.size()) {
        result_.left.roots[i] = true;
        continue;
      }
      const bool equal = match(left_.roots[i].value, right_.roots[same[nth]].value);
      result_.left.roots[i] = result_.right.roots[same[nth]] = !equal;
    }
    for (const auto& [name, places] : right_by_name) {
      for (size_t nth = taken[name]; nth < places.size(); ++nth) result_.right.roots[places[nth]] = true;
    }
    while (!pending_.empty()) {
      const uint32_t at = pending_.front();
      pending_.pop_front();
      compare_objects(at, to_right_[at]);
    }
    for (size_t i = 0; i < to_right_.size(); ++i) {
      if (to_right_[i] == kNone) result_.left.objects[i] = true;
    }
    for (size_t i = 0; i < to_left_.size(); ++i) {
      if (to_left_[i] == kNone) result_.right.objects[i] = true;
    }
    return std::move(result_);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  bool match(const HeapValue& l, const HeapValue& r) {
    if (l.object == HeapValue::kNoObject || r.object == HeapValue::kNoObject) return l == r;
    if (to_right_[l.object] == kNone && to_left_[r.object] == kNone) {
      to_right_[l.object] = r.object;
      to_left_[r.object] = l.object;
      pending_.push_back(l.object);
    }
    return to_right_[l.object] == r.object;
  }

  void compare_objects(uint32_t l, uint32_t r) {
    const HeapObject& left = left_.objects[l];
    const HeapObject& right = right_.objects[r];
    const bool same = left.kind == right.kind && left.type == right.type && left.length == right.length;
    result_.left.objects[l] = result_.right.objects[r] = !same;
    const size_t common = std::min(left.fields.size(), right.fields.size());
    for (size_t i = 0; i < std::max(left.fields.size(), right.fields.size()); ++i) {
      const bool equal = i < common && match(left.fields[i].second, right.fields[i].second);
      if (i < left.fields.size()) result_.left.fields[l][i] = !equal;
      if (i < right.fields.size()) result_.right.fields[r][i] = !equal;
    }
  }

  const HeapGraph& left_;
  const HeapGraph& right_;
  HeapComparison result_;
  std::vector<uint32_t> to_right_, to_left_;
  std::deque<uint32_t> pending_;
};

// --- Drawing -------------------------------------------------------------------------------------------------------
constexpr int kWidth = 236, kGapX = 56, kGapY = 14, kRow = 17, kHead = 22, kMargin = 10;
constexpr size_t kTextLength = 32;

std::string shortened(const std::string& text, size_t length = kTextLength) {
  return text.size() <= length ? text : text.substr(0, length - 3) + "...";
}

struct Box {
  std::string head, hint;  // the hint is shown when pointed at
  struct Row {
    std::string label;
    uint32_t target = HeapValue::kNoObject;
    bool marked = false;
  };
  std::vector<Row> rows;
  bool marked = false, is_root = false;
  size_t column = 0;
  int x = 0, y = 0;
  int height() const { return kHead + static_cast<int>(rows.size()) * kRow + 4; }
};

class Picture {
 public:
  Picture(const HeapGraph& graph, const HeapMarks& marks, const PictureLimits& limits)
      : graph_(graph), marks_(marks), limits_(limits) {
    find_parents();
    choose();
    make_boxes();
    place();
  }

  std::string svg(const std::string& title) const {
    std::string out = text::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
        "class=\"heap\">\n<title>{2}</title>\n",
        width_, height_, escape_xml(title));
    out += kStyle;
    for (const Box& box : roots_) arrows(out, box);
    for (const auto& [number, box] : boxes_) arrows(out, box);
    for (const Box& box : roots_) draw(out, box, "root");
    for (const auto& [number, box] : boxes_) draw(out, box, text::format("object-{}", number));
    if (!note_.empty()) {
      out +=
          text::format("<text class=\"note\" x=\"{}\" y=\"{}\">{}</text>\n", kMargin, height_ - 6, escape_xml(note_));
    }
    return out + "</svg>\n";
  }

 private:
  static constexpr const char* kStyle =
      "<style>.heap{font:12px ui-monospace,monospace;background:transparent}"
      ".heap rect{fill:#fff;stroke:#8a94a6}.heap text{fill:#1c2330}.heap .head{fill:#e8ecf3}.heap .root "
      ".head{fill:#dcefe3}"
      ".heap path{fill:none;stroke:#8a94a6;stroke-width:1.3}.heap .tip{fill:#8a94a6;stroke:none}"
      ".heap .differs rect,.heap rect.differs{stroke:#c4232b;stroke-width:2}.heap rect.row{stroke:none;fill:#fde3e3}"
      ".heap text.differs{fill:#a3131b;font-weight:bold}.heap path.differs{stroke:#c4232b;stroke-width:2}"
      ".heap .note{fill:#5b6576;font-style:italic}"
      "@media(prefers-color-scheme:dark){.heap rect{fill:#1b2130;stroke:#66728a}.heap text{fill:#e6eaf2}"
      ".heap .head{fill:#2a3348}.heap .root .head{fill:#1f3d2c}.heap path{stroke:#7c89a3}.heap .tip{fill:#7c89a3}"
      ".heap .differs rect,.heap rect.differs{stroke:#ff6b6b}.heap rect.row{fill:#4a1f26}"
      ".heap text.differs{fill:#ff9d9d}.heap path.differs{stroke:#ff6b6b}.heap .note{fill:#9aa5b8}}</style>\n";

  bool differs(size_t object) const {
    if (marks_.objects[object]) return true;
    const auto& fields = marks_.fields[object];
    return std::find(fields.begin(), fields.end(), true) != fields.end();
  }

  // By which object each was reached first; kNoObject: by a root.
  void find_parents() {
    depth_.assign(graph_.objects.size(), SIZE_MAX);
    parent_.assign(graph_.objects.size(), HeapValue::kNoObject);
    std::deque<uint32_t> queue;
    const auto reach = [&](const HeapValue& value, uint32_t from, size_t depth) {
      if (value.object == HeapValue::kNoObject || depth_[value.object] != SIZE_MAX) return;
      depth_[value.object] = depth;
      parent_[value.object] = from;
      queue.push_back(value.object);
    };
    for (const HeapRoot& root : graph_.roots) reach(root.value, HeapValue::kNoObject, 1);
    while (!queue.empty()) {
      const uint32_t at = queue.front();
      queue.pop_front();
      for (const auto& [index, value] : graph_.objects[at].fields) reach(value, at, depth_[at] + 1);
    }
  }

  void add(uint32_t object) {
    std::vector<uint32_t> path;
    for (uint32_t at = object; at != HeapValue::kNoObject && !chosen_.contains(at); at = parent_[at])
      path.push_back(at);
    if (chosen_.size() + path.size() > limits_.objects && !chosen_.empty()) return;
    chosen_.insert(path.begin(), path.end());
  }

  void choose() {
    // Objects whose own fields differ say more than those that nothing belongs to.
    for (const bool whole : {false, true}) {
      for (uint32_t i = 0; i < graph_.objects.size(); ++i) {
        if (differs(i) && marks_.objects[i] == whole && depth_[i] != SIZE_MAX) add(i);
      }
    }
    for (size_t i = 0; i < graph_.roots.size(); ++i) {
      if (marks_.roots[i] && graph_.roots[i].value.object != HeapValue::kNoObject) add(graph_.roots[i].value.object);
    }
    for (const uint32_t at : std::vector<uint32_t>(chosen_.begin(), chosen_.end())) {
      for (const auto& [index, value] : graph_.objects[at].fields) {
        if (value.object != HeapValue::kNoObject) add(value.object);
      }
    }
    // A small heap is drawn whole; of a large one nothing that does not help, unless nothing differs.
    const bool whole = graph_.objects.size() <= limits_.whole || chosen_.empty();
    for (uint32_t i = 0; whole && i < graph_.objects.size() && chosen_.size() < limits_.objects; ++i) {
      if (depth_[i] != SIZE_MAX) add(i);
    }
  }

  void make_boxes() {
    size_t silent_roots = 0;
    for (size_t i = 0; i < graph_.roots.size(); ++i) {
      const HeapRoot& root = graph_.roots[i];
      const bool leads = root.value.object != HeapValue::kNoObject && chosen_.contains(root.value.object);
      if ((!leads && !marks_.roots[i]) || roots_.size() >= limits_.objects) {
        ++silent_roots;
        continue;
      }
      Box box{.head = shortened(root.name), .hint = root.name, .marked = marks_.roots[i], .is_root = true};
      box.rows.push_back(
          {shortened(root.value.text), leads ? root.value.object : HeapValue::kNoObject, marks_.roots[i]});
      roots_.push_back(std::move(box));
    }
    for (const uint32_t number : chosen_) boxes_[number] = object_box(number);
    const size_t hidden = graph_.objects.size() - chosen_.size();
    if (hidden + silent_roots > 0) {
      note_ = text::format("not drawn: {} objects, {} roots without a difference", hidden, silent_roots);
    }
    if (graph_.truncated) note_ += "; the recorded graph was cut off";
  }

  Box object_box(uint32_t number) const {
    const HeapObject& object = graph_.objects[number];
    const std::string type = object.type.substr(0, object.type.find(' ', object.type.find(' ') + 1));
    Box box{.head = text::format("#{} {} {}", number, object.kind,
                                 object.kind == "array" ? text::format("[{}] {}", object.length, type) : type),
            .hint = object.type,
            .marked = marks_.objects[number],
            .column = depth_[number]};
    std::set<size_t> rows;  // those that differ, then those that lead on, then the first ones
    const auto take = [&](auto&& wanted) {
      for (size_t i = 0; i < object.fields.size() && rows.size() < limits_.fields; ++i) {
        if (wanted(i)) rows.insert(i);
      }
    };
    take([&](size_t i) { return marks_.fields[number][i]; });
    take([&](size_t i) { return chosen_.contains(object.fields[i].second.object); });
    take([&](size_t) { return true; });
    for (const size_t i : rows) {
      const auto& [index, value] = object.fields[i];
      box.rows.push_back({shortened(text::format("{}: {}", index, value.text)),
                          chosen_.contains(value.object) ? value.object : HeapValue::kNoObject,
                          marks_.fields[number][i]});
    }
    if (rows.size() < object.fields.size()) {
      box.rows.push_back({text::format("... {} more", object.fields.size() - rows.size())});
    }
    return box;
  }

  void place() {
    std::map<size_t, int> bottom;
    const auto put = [&](Box& box) {
      int& y = bottom.try_emplace(box.column, kMargin).first->second;
      box.x = kMargin + static_cast<int>(box.column) * (kWidth + kGapX);
      box.y = y;
      y += box.height() + kGapY;
      width_ = std::max(width_, box.x + kWidth + kMargin);
      height_ = std::max(height_, y + 22);
    };
    // Columns without boxes take no room: depths of chosen objects, in order.
    std::set<size_t> depths;
    for (const auto& [number, box] : boxes_) depths.insert(box.column);
    std::map<size_t, size_t> dense;
    for (const size_t depth : depths) dense.emplace(depth, dense.size() + 1);
    for (Box& box : roots_) put(box);
    for (auto& [number, box] : boxes_) {
      box.column = dense[box.column];
      put(box);
    }
  }

  void arrows(std::string& out, const Box& box) const {
    for (size_t i = 0; i < box.rows.size(); ++i) {
      const auto target = boxes_.find(box.rows[i].target);
      if (target == boxes_.end()) continue;
      const int y0 = box.y + kHead + static_cast<int>(i) * kRow + kRow / 2 + 2, y1 = target->second.y + kHead / 2;
      const bool forward = target->second.x > box.x;
      const int x0 = box.x + kWidth, x1 = forward ? target->second.x : target->second.x + kWidth;
      const int bend = forward ? kGapX / 2 : kGapX;
      const char* mark = box.rows[i].marked ? " class=\"differs\"" : "";
      out += text::format("<path{} d=\"M{} {}C{} {} {} {} {} {}\"/>", mark, x0, y0, x0 + bend, y0,
                          forward ? x1 - bend : x1 + bend, y1, x1, y1);
      const int tip = forward ? x1 - 6 : x1 + 6;
      out += text::format("<path class=\"tip\" d=\"M{} {}L{} {}L{} {}Z\"/>\n", x1, y1, tip, y1 - 4, tip, y1 + 4);
    }
  }

  static void draw(std::string& out, const Box& box, const std::string& id) {
    out += text::format("<g class=\"{}{}\" data-box=\"{}\"><title>{}</title>", box.is_root ? "root" : "object",
                        box.marked ? " differs" : "", id, escape_xml(box.hint));
    out += text::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/>", box.x, box.y, kWidth,
                        box.height());
    out += text::format("<rect class=\"head\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/>", box.x, box.y,
                        kWidth, kHead);
    out += text::format("<text{} x=\"{}\" y=\"{}\">{}</text>", box.marked ? " class=\"differs\"" : "", box.x + 7,
                        box.y + 15, escape_xml(box.head));
    for (size_t i = 0; i < box.rows.size(); ++i) {
      const int y = box.y + kHead + static_cast<int>(i) * kRow;
      if (box.rows[i].marked) {
        out += text::format("<rect class=\"row\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>", box.x + 2, y + 1,
                            kWidth - 4, kRow);
      }
      out += text::format("<text{} x=\"{}\" y=\"{}\">{}</text>", box.rows[i].marked ? " class=\"differs\"" : "",
                          box.x + 9, y + 14, escape_xml(box.rows[i].label));
    }
    out += "</g>\n";
  }

  const HeapGraph& graph_;
  const HeapMarks& marks_;
  const PictureLimits& limits_;
  std::vector<size_t> depth_;
  std::vector<uint32_t> parent_;
  std::set<uint32_t> chosen_;
  std::vector<Box> roots_;
  std::map<uint32_t, Box> boxes_;
  std::string note_;
  int width_ = kMargin * 2 + kWidth, height_ = 40;
};

}  // namespace

size_t HeapMarks::count() const {
  const auto set = [](const std::vector<bool>& marks) {
    return static_cast<size_t>(std::count(marks.begin(), marks.end(), true));
  };
  size_t total = set(roots) + set(objects);
  for (const auto& marks : fields) total += set(marks);
  return total;
}

HeapGraph read_heap(const Observed& seen) { return HeapReader(seen).read(); }

HeapComparison compare_heaps(const HeapGraph& left, const HeapGraph& right) { return Comparer(left, right).compare(); }

std::string draw_heap(const HeapGraph& graph, const HeapMarks& marks, const std::string& title,
                      const PictureLimits& limits) {
  return Picture(graph, marks, limits).svg(title);
}

}  // namespace parallax::triage
