// Text to IR. Ids are kept as written, so the reader writes the arrays of Func itself (FuncAccess).
//
// A scanner without tokens: the grammar is line by line and every alternative is decided by the next character.
#include <algorithm>
#include <charconv>
#include <vector>

#include "engine/base/text.h"
#include "engine/ir/text.h"

namespace parallax::ir {

// Creates values and blocks under given ids.
struct FuncAccess {
  Func& func;

  void value(ValueId v, Type type, BlockId block, InstId inst, uint32_t index) {
    if (func.values_.size() <= v.index()) func.values_.resize(v.index() + 1);
    func.values_[v.index()] = {
        .type = type, .rep = rep_of(func.types(), type), .block = block, .inst = inst, .index = index};
    const Rep rep = func.values_[v.index()].rep;
    if (rep == Rep::kF32 || rep == Rep::kF64) func.contents_.note(Trait::kFloat);
  }
  Block& block(BlockId b) {
    if (func.blocks_.size() <= b.index()) func.blocks_.resize(b.index() + 1, Block{.live = false});
    return func.blocks_[b.index()];
  }
  void order(BlockId b) { func.order_.push_back(b); }
  void params(BlockId b, std::span<const ValueId> params) {
    Block& at = block(b);
    at.params_begin = static_cast<uint32_t>(func.pool_.size());
    at.params_count = static_cast<uint32_t>(params.size());
    if (b != Func::kEntry) func.contents_.note(Trait::kParams);
    func.pool_.insert(func.pool_.end(), params.begin(), params.end());
  }
  size_t values() const { return func.values_.size(); }
};

namespace {

// Ids above this are refused, so that a short text cannot ask for much memory.
constexpr uint32_t kMaxId = 1u << 21;

class Parser {
 public:
  Parser(std::string_view text, const wasm::Module& module, Func& func)
      : text_(text), module_(module), func_(func), access_{func} {}

  Result<> run() {
    if (!header()) return error();
    while (!accept("}")) {
      if (!block()) return error();
    }
    skip_space();
    if (at_ != text_.size()) return fail(ErrorCode::kSyntax, at_, "text after the function");
    return check_ids();
  }

 private:
  // --- Scanning. Functions answer false after noting what was expected.
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(std::string_view what) {
    skip_space();
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  bool expect(std::string_view what) { return accept(what) || expected(what); }
  bool expected(std::string_view what) {
    if (message_.empty()) message_ = text::format("expected {}", what);
    return false;
  }
  std::string_view peek() {
    skip_space();
    return text_.substr(at_);
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  }
  bool peek_word(std::string_view what) {
    return peek().starts_with(what) && (peek().size() == what.size() || !is_word(peek()[what.size()]));
  }
  bool accept_word(std::string_view what) { return peek_word(what) && accept(what); }
  std::string_view word() {
    const std::string_view rest = peek();
    const size_t length = static_cast<size_t>(std::ranges::find_if_not(rest, is_word) - rest.begin());
    at_ += length;
    return rest.substr(0, length);
  }
  bool number(uint64_t& out) {
    const bool hex = accept("0x");
    skip_space();
    const char* begin = text_.data() + at_;
    const auto [end, status] = std::from_chars(begin, text_.data() + text_.size(), out, hex ? 16 : 10);
    if (status != std::errc()) return expected("a number");
    at_ += static_cast<size_t>(end - begin);
    return true;
  }
  bool number32(uint32_t& out) {
    uint64_t wide = 0;
    if (!number(wide)) return false;
    out = static_cast<uint32_t>(wide);
    return wide <= UINT32_MAX || expected("a number of 32 bits");
  }
  template <class IdType>
  bool id(std::string_view letter, IdType& out) {
    uint32_t raw = 0;
    if (!expect(letter) || !number32(raw)) return false;
    out = IdType(raw);
    return raw < kMaxId || expected("a smaller id");
  }

  // --- Types.
  bool heap(wasm::HeapType& out) {
    struct Row {
      std::string_view text;
      wasm::HeapKind kind;
    };
    using enum wasm::HeapKind;
    static constexpr Row kRows[] = {{"func", kFunc},         {"nofunc", kNoFunc}, {"extern", kExtern},
                                    {"noextern", kNoExtern}, {"any", kAny},       {"eq", kEq},
                                    {"i31", kI31},           {"struct", kStruct}, {"array", kArray},
                                    {"none", kNone},         {"exn", kExn},       {"noexn", kNoExn}};
    if (!peek().empty() && peek()[0] >= '0' && peek()[0] <= '9') {
      uint32_t type = 0;
      if (!number32(type)) return false;
      out = wasm::HeapType::concrete(type);
      return type < module_.store->size() || expected("a type of the store");
    }
    const std::string_view name = word();
    for (const Row& row : kRows) {
      if (row.text == name) return out = row.kind, true;
    }
    return expected("a heap type");
  }
  bool type(Type& out) {
    if (accept("(ref")) {
      const bool nullable = accept_word("null");
      wasm::HeapType at;
      if (!heap(at)) return false;
      out = Type::ref(at, nullable);
      return expect(")");
    }
    const std::string_view name = word();
    for (const Type number : {wasm::kI32, wasm::kI64, wasm::kF32, wasm::kF64, wasm::kV128}) {
      if (to_string(number) == name) return out = number, true;
    }
    for (uint8_t kind = 0; kind < static_cast<uint8_t>(wasm::HeapKind::kConcrete); ++kind) {
      const Type ref = Type::ref(static_cast<wasm::HeapKind>(kind), true);
      if (to_string(ref) == name) return out = ref, true;
    }
    return expected("a type");
  }

  // --- Lines.
  bool header() {
    uint32_t index = 0;
    if (!expect("func") || !number32(index)) return false;
    if (index >= module_.funcs.size()) return expected("a function of the module");
    func_.reset(module_, wasm::FuncIndex(index));
    func_.poll_at_budget = accept_word("poll");
    func_.has_maps = accept_word("maps");
    if (!expect("{")) return false;
    uint32_t homes = 0;
    if (accept_word("homes") && !number32(homes)) return false;
    if (homes > kMaxId) return expected("fewer homes");
    for (uint32_t n = 0; n < homes; ++n) func_.add_slot();
    return true;
  }
  bool block() {
    BlockId b;
    if (!id("b", b)) return false;
    if (access_.block(b).live) return expected("a block that was not given before");
    access_.block(b).live = true;
    access_.order(b);
    if (accept("(")) {
      std::vector<ValueId> params;
      do {
        ValueId v;
        Type t;
        if (!id("v", v) || !expect(":") || !type(t) || !define(v, t, b, {}, static_cast<uint32_t>(params.size()))) {
          return false;
        }
        params.push_back(v);
      } while (accept(","));
      access_.params(b, params);
      if (!expect(")")) return false;
    }
    access_.block(b).landing = accept_word("landing");
    access_.block(b).loop_head = accept_word("loop");
    if (!expect(":")) return false;
    while (!peek().empty() && peek()[0] != '}' && !at_block()) {
      if (!inst(b)) return false;
    }
    return true;
  }
  bool at_block() {
    const std::string_view rest = peek();
    return rest.size() > 1 && rest[0] == 'b' && rest[1] >= '0' && rest[1] <= '9';
  }
  bool define(ValueId v, Type t, BlockId b, InstId i, uint32_t index) {
    if (defined_.size() <= v.index()) defined_.resize(v.index() + 1);
    if (defined_[v.index()]) return expected("a value that was not defined before");
    defined_[v.index()] = true;
    access_.value(v, t, b, i, index);
    return true;
  }

  bool inst(BlockId b) {
    std::vector<ValueId> results;
    std::vector<Type> types;
    if (peek().starts_with("v")) {
      do {
        if (!id("v", results.emplace_back()) || !expect(":") || !type(types.emplace_back())) return false;
        if (results.back().raw != results.front().raw + results.size() - 1) return expected("consecutive results");
      } while (accept(","));
      if (!expect("=")) return false;
    }
    Inst proto;
    if (!op(proto.op)) return false;
    if (!immediates(proto)) return false;
    std::vector<ValueId> args;
    if (peek().starts_with("v")) {
      do {
        if (!id("v", args.emplace_back())) return false;
        max_value_ = std::max(max_value_, args.back().raw);
      } while (accept(","));
    }
    std::vector<BlockId> targets;
    if (accept("->")) {
      while (at_block()) {
        if (!id("b", targets.emplace_back())) return false;
        max_block_ = std::max(max_block_, targets.back().raw);
      }
    }
    if (!expect("@") || !number32(proto.offset)) return false;
    const InstId made = func_.make(proto, args, {}, targets);
    func_.edit(made).first_result = results.empty() ? ValueId() : results[0];
    func_.edit(made).results_count = static_cast<uint32_t>(results.size());
    for (uint32_t i = 0; i < results.size(); ++i) {
      if (!define(results[i], types[i], {}, made, i)) return false;
    }
    func_.append(b, made);
    return !accept("map[") || stack_map(made);
  }
  bool stack_map(InstId inst) {
    std::vector<SlotId> slots;
    while (!accept("]")) {
      if (!id("s", slots.emplace_back())) return false;
      if (slots.back().raw >= func_.slot_count()) return expected("a home slot");
    }
    func_.set_stack_map(inst, slots);
    return true;
  }
  bool op(Op& out) {
    const std::string_view name = word();
    for (size_t i = 0; i < kOpCount; ++i) {
      if (kOpTable[i].text == name) return out = static_cast<Op>(i), true;
    }
    return expected("an operation");
  }
  bool opcode(wasm::Opcode& out) {
    const std::string_view name = word();
    for (size_t i = 0; i < wasm::kOpcodeCount; ++i) {
      if (wasm::kOpcodeTable[i].text == name) return out = static_cast<wasm::Opcode>(i), true;
    }
    return expected("an opcode");
  }
  bool immediates(Inst& inst) {
    if (std::string_view(info(inst.op).immediates).starts_with("slot")) {
      SlotId slot;
      if (!id("s", slot)) return false;
      inst.a = slot.raw;
      ValueId of;
      if (inst.op == Op::HomeLoad) {
        if (!expect("of=") || !id("v", of)) return false;
        inst.b = of.raw;
        max_value_ = std::max(max_value_, of.raw);
      }
      return slot.raw < func_.slot_count() || expected("a home slot");
    }
    uint32_t small = 0;
    while (true) {
      if (accept("opcode=")) {
        if (!opcode(inst.opcode)) return false;
      } else if (accept("type=")) {
        if (!type(inst.type)) return false;
      } else if (accept("trap=")) {
        if (!number32(small)) return false;
        inst.trap = static_cast<wasm::TrapKind>(small);
      } else if (accept("imm=")) {
        if (!number(inst.imm)) return false;
      } else if (accept("high=")) {
        if (!number(inst.high)) return false;
      } else if (accept("a=")) {
        if (!number32(inst.a)) return false;
      } else if (accept("b=")) {
        if (!number32(inst.b)) return false;
      } else if (accept("sense=")) {
        if (!number32(small)) return false;
        inst.sense = small != 0;
      } else {
        return true;
      }
    }
  }

  // Everything that is used exists.
  Result<> check_ids() {
    if (func_.order().empty() || func_.order()[0] != Func::kEntry) {
      return fail(ErrorCode::kSyntax, 0, "the entry block b0 must come first");
    }
    if (max_value_ >= access_.values() && max_value_ != 0) {
      return fail(ErrorCode::kSyntax, 0, text::format("v{} is not defined", max_value_));
    }
    if (max_block_ >= func_.block_count()) {
      return fail(ErrorCode::kSyntax, 0, text::format("b{} is not defined", max_block_));
    }
    return {};
  }
  Result<> error() { return fail(ErrorCode::kSyntax, at_, message_); }

  std::string_view text_;
  const wasm::Module& module_;
  Func& func_;
  FuncAccess access_;
  size_t at_ = 0;
  uint32_t max_value_ = 0;
  uint32_t max_block_ = 0;
  std::vector<bool> defined_;
  std::string message_;
};

}  // namespace

Result<> parse(std::string_view text, const wasm::Module& module, Func& out) { return Parser(text, module, out).run(); }

}  // namespace parallax::ir
