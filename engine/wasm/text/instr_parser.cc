// Instructions: flat, folded and mixed, by one loop over an explicit stack of open constructs.
//
// A folded plain instruction waits on the stack with its bytes until its operands are written; a folded `if` waits
// until its condition is. Immediates are read by kind (ImmKind), one function each.
#include <array>
#include <bit>
#include <utility>

#include "engine/base/check.h"
#include "engine/wasm/text/mnemonics.h"
#include "engine/wasm/text/module_parser.h"
#include "engine/wasm/text/numbers.h"

namespace parallax::wasm::text {

class InstrParser {
 public:
  InstrParser(ModuleParser& module, CodeContext& context, Bytes& out)
      : module_(module), in_(module.in_), context_(context), out_(out) {}

  Result<> sequence() {
    stack_.push_back({.form = Form::kSequence});
    while (true) {
      const Token& token = in_.peek();
      if (token.kind == TokenKind::kRight) {
        if (stack_.size() == 1) return {};
        TRY(close());
      } else {
        TRY(step());
      }
    }
  }

  Result<> single() {
    stack_.push_back({.form = Form::kSequence});
    if (!in_.is(TokenKind::kLeft)) return in_.unexpected();
    do {
      if (in_.is(TokenKind::kRight)) {
        TRY(close());
      } else {
        TRY(step());
      }
    } while (stack_.size() > 1);
    return {};
  }

 private:
  enum class Form : uint8_t {
    kSequence,   // the outermost; not closed here
    kOperands,   // (plain ...): folded operands only, then the instruction
    kBlock,      // (block ...), (loop ...), (try_table ...)
    kIf,         // (if ...): folded condition, (then ...), (else ...)
    kClause,     // (then ...), (else ...), (do ...), (catch ...), (catch_all ...)
    kTry,        // (try ...): (do ...), then clauses
    kFlatBlock,  // block, loop, try_table ... end
    kFlatIf,
    kFlatElse,
    kFlatTry,
    kFlatCatch,
    kFlatCatchAll,
  };
  enum class Stage : uint8_t { kFirst, kSecond, kCatching, kDone };  // of kIf and kTry: what was seen
  struct Frame {
    Form form;
    Stage stage = Stage::kFirst;
    bool closes_with_end = true;  // kTry: false after delegate
    uint32_t offset = 0;          // of the instruction in the text
    std::string_view label = {};
    Bytes pending = {};                // kOperands, kIf: the instruction's own bytes
    std::optional<uint8_t> hint = {};  // kOperands, kIf
  };

  static bool admits_words(Form form) { return form != Form::kOperands && form != Form::kIf && form != Form::kTry; }
  static bool is_flat(Form form) { return form >= Form::kFlatBlock; }

  // --- The loop's cases ------------------------------------------------------------------------------------------

  Result<> step() {
    const Token& token = in_.peek();
    if (token.kind == TokenKind::kLeft) return open_group();
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kReserved) return in_.unexpected();
    if (!admits_words(stack_.back().form)) return in_.unexpected();
    return flat_instruction();
  }

  Result<> close() {
    const Form form = stack_.back().form;
    if (is_flat(form)) return in_.fail(in_.peek(), "unexpected token ): a block lacks its end");
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    in_.next();
    switch (form) {
      case Form::kOperands: put_pending(frame); return {};
      case Form::kIf:
        if (frame.stage == Stage::kFirst) return in_.fail(in_.tokens()[in_.at() - 1], "unexpected token ): no then");
        [[fallthrough]];
      case Form::kBlock:
        close_label();
        put_opcode(out_, Opcode::End);
        return {};
      case Form::kTry:
        if (frame.stage == Stage::kFirst) return in_.fail(in_.tokens()[in_.at() - 1], "unexpected token ): no do");
        if (frame.closes_with_end) {
          close_label();
          put_opcode(out_, Opcode::End);
        }
        return {};
      case Form::kSequence:
      case Form::kClause:
      case Form::kFlatBlock:
      case Form::kFlatIf:
      case Form::kFlatElse:
      case Form::kFlatTry:
      case Form::kFlatCatch:
      case Form::kFlatCatchAll: return {};
    }
    return {};
  }

  Result<> open_group() {
    Frame& top = stack_.back();
    if (top.form == Form::kIf && (top.stage != Stage::kFirst || in_.at_group("then"))) return if_clause(top);
    if (top.form == Form::kTry) return try_clause(top);
    const std::optional<uint8_t> hint = TRY(branch_hint());
    in_.next();
    const Token& head = in_.peek();
    const Opcode op = TRY(mnemonic());
    TRY(check_hint(op, hint, head));
    Frame frame{.form = Form::kOperands, .offset = head.offset};
    switch (op) {
      case Opcode::Block:
      case Opcode::Loop:
      case Opcode::TryTable:
        frame.form = Form::kBlock;
        frame.label = TRY(block_header(op, out_));
        open_label(frame.label);
        break;
      case Opcode::If:
        frame.form = Form::kIf;
        frame.label = TRY(block_header(op, frame.pending));
        break;
      case Opcode::Try:
        frame.form = Form::kTry;
        frame.label = TRY(block_header(op, out_));
        open_label(frame.label);
        break;
      case Opcode::Else:
      case Opcode::End:
      case Opcode::Catch:
      case Opcode::CatchAll:
      case Opcode::Delegate: return in_.fail(head, "unexpected token " + std::string(head.text));
      default: TRY(plain(op, frame.pending)); break;
    }
    frame.hint = hint;
    stack_.push_back(std::move(frame));
    return {};
  }

  Result<> if_clause(Frame& top) {
    if (top.stage == Stage::kFirst && in_.take_group("then")) {
      put_pending(top);
      open_label(top.label);
      top.stage = Stage::kSecond;
    } else if (top.stage == Stage::kSecond && in_.take_group("else")) {
      put_opcode(out_, Opcode::Else);
      top.stage = Stage::kDone;
    } else {
      return in_.unexpected();
    }
    stack_.push_back({.form = Form::kClause});
    return {};
  }

  Result<> try_clause(Frame& top) {
    const bool catching = top.stage == Stage::kSecond || top.stage == Stage::kCatching;
    if (top.stage == Stage::kFirst && in_.take_group("do")) {
      top.stage = Stage::kSecond;
    } else if (catching && in_.take_group("catch")) {
      top.stage = Stage::kCatching;
      put_opcode(out_, Opcode::Catch);
      put_unsigned(out_, TRY(module_.index(module_.tag_space_)));
    } else if (catching && in_.take_group("catch_all")) {
      put_opcode(out_, Opcode::CatchAll);
      top.stage = Stage::kDone;
    } else if (top.stage == Stage::kSecond && in_.take_group("delegate")) {
      close_label();
      put_opcode(out_, Opcode::Delegate);
      put_unsigned(out_, TRY(label()));
      top.stage = Stage::kDone;
      top.closes_with_end = false;
    } else {
      return in_.unexpected();
    }
    stack_.push_back({.form = Form::kClause});
    return {};
  }

  Result<> flat_instruction() {
    const std::optional<uint8_t> hint = TRY(branch_hint());
    const Token& head = in_.peek();
    const Opcode op = TRY(mnemonic());
    TRY(check_hint(op, hint, head));
    switch (op) {
      case Opcode::Block:
      case Opcode::Loop:
      case Opcode::TryTable: return open_flat(Form::kFlatBlock, op, head, hint);
      case Opcode::If: return open_flat(Form::kFlatIf, op, head, hint);
      case Opcode::Try: return open_flat(Form::kFlatTry, op, head, hint);
      case Opcode::Else: return change_flat(op, head, Form::kFlatElse);
      case Opcode::Catch: return change_flat(op, head, Form::kFlatCatch);
      case Opcode::CatchAll: return change_flat(op, head, Form::kFlatCatchAll);
      case Opcode::Delegate: return flat_delegate(head);
      case Opcode::End: return flat_end(head);
      default: {
        Bytes bytes;
        TRY(plain(op, bytes));
        note_hint(hint);
        out_ += bytes;
        return {};
      }
    }
  }

  Result<> open_flat(Form form, Opcode op, const Token& head, std::optional<uint8_t> hint) {
    Bytes bytes;
    const std::string_view label = TRY(block_header(op, bytes));
    note_hint(hint);
    out_ += bytes;
    open_label(label);
    stack_.push_back({.form = form, .offset = head.offset, .label = label});
    return {};
  }

  // else, catch, catch_all: the next part of an open construct.
  Result<> change_flat(Opcode op, const Token& head, Form next) {
    Frame& top = stack_.back();
    const bool fits =
        op == Opcode::Else ? top.form == Form::kFlatIf : top.form == Form::kFlatTry || top.form == Form::kFlatCatch;
    if (!fits) return in_.fail(head, "unexpected token " + std::string(head.text));
    put_opcode(out_, op);
    if (op == Opcode::Catch) {
      put_unsigned(out_, TRY(module_.index(module_.tag_space_)));
    } else {
      TRY(repeated_label(top));
    }
    top.form = next;
    return {};
  }

  Result<> flat_delegate(const Token& head) {
    if (stack_.back().form != Form::kFlatTry) return in_.fail(head, "unexpected token delegate");
    close_label();
    stack_.pop_back();
    put_opcode(out_, Opcode::Delegate);
    put_unsigned(out_, TRY(label()));
    return {};
  }

  Result<> flat_end(const Token& head) {
    if (!is_flat(stack_.back().form)) return in_.fail(head, "unexpected token end");
    TRY(repeated_label(stack_.back()));
    stack_.pop_back();
    close_label();
    put_opcode(out_, Opcode::End);
    return {};
  }

  // The label behind else and end must be the one of the block.
  Result<> repeated_label(const Frame& frame) {
    if (!in_.is(TokenKind::kId)) return {};
    if (in_.peek().text != frame.label) return in_.fail(in_.peek(), "mismatching label");
    in_.next();
    return {};
  }

  Result<Opcode> mnemonic() {
    const Token& token = in_.next();
    const bool is_word = token.kind == TokenKind::kWord;
    const Opcode op = is_word ? find_mnemonic(token.text) : kNoOpcode;
    if (op != kNoOpcode) return op;
    if (is_word && unsupported_proposal(token.text) != nullptr) {
      return in_.fail(token, parallax::text::format("{} ({})", token.text, unsupported_proposal(token.text)),
                      ErrorCode::kUnsupported);
    }
    return in_.fail(token, "unknown operator " + Cursor::describe(token));
  }

  // --- Labels and hints --------------------------------------------------------------------------------------------

  void open_label(std::string_view name) {
    context_.labels.push_back(name);
    if (!name.empty() && module_.options_.names == NameSection::kEmit) {
      context_.label_names.push_back({context_.label_count, std::string(name)});
    }
    ++context_.label_count;
  }
  void close_label() { context_.labels.pop_back(); }

  Result<uint32_t> label() {
    if (!in_.is(TokenKind::kId)) return module_.u32();
    const std::string_view id = in_.peek().text;
    const std::vector<std::string_view>& labels = context_.labels;
    for (size_t depth = 0; depth < labels.size(); ++depth) {
      if (labels[labels.size() - 1 - depth] != id) continue;
      in_.next();
      return static_cast<uint32_t>(depth);
    }
    return in_.fail(in_.peek(), parallax::text::format("unknown label ${}", id));
  }

  // The branch hint that stands before the current token.
  Result<std::optional<uint8_t>> branch_hint() {
    if (in_.tokens().annotations().empty() || !context_.in_func) return std::nullopt;
    const auto found = module_.take_annotations(AnnotationKind::kBranchHint);
    if (found.empty()) return std::nullopt;
    const auto fail = [&](std::string_view what) {
      return in_.tokens().fail(found.back()->offset,
                               parallax::text::format("@metadata.code.branch_hint annotation: {}", what));
    };
    if (found.size() > 1) return fail("duplicate annotation");
    const std::vector<Token>& body = found[0]->body;
    if (body.size() != 1 || body[0].kind != TokenKind::kString) return fail("string expected");
    if (body[0].text != std::string_view("\0", 1) && body[0].text != "\1") return fail("\"\\00\" or \"\\01\" expected");
    return static_cast<uint8_t>(body[0].text[0]);
  }

  // A hint elsewhere is well-formed text; the custom section that it asks for would be invalid.
  Result<> check_hint(Opcode op, std::optional<uint8_t> hint, const Token& at) const {
    if (!hint || op == Opcode::If || op == Opcode::BrIf) return {};
    return in_.fail(at, "@metadata.code.branch_hint annotation: invalid target", ErrorCode::kInvalid);
  }

  void note_hint(std::optional<uint8_t> hint) {
    if (hint) context_.hints.push_back({static_cast<uint32_t>(out_.size()), *hint});
  }

  void put_pending(Frame& frame) {
    note_hint(frame.hint);
    out_ += frame.pending;
  }

  // --- Blocks --------------------------------------------------------------------------------------------------------

  Result<std::string_view> block_header(Opcode op, Bytes& out) {
    std::string_view label;
    if (in_.is(TokenKind::kId)) label = in_.next().text;
    put_opcode(out, op);
    TRY(block_type(out));
    if (op == Opcode::TryTable) TRY(catch_clauses(out));
    return label;
  }

  Result<> block_type(Bytes& out) {
    constexpr char kEmpty = '\x40';
    const TypeUse use = TRY(module_.type_use(nullptr));
    const Signature& inlined = use.inline_signature;
    if (use.type || !inlined.params.empty() || inlined.results.size() > 1) {
      put_signed(out, TRY(module_.resolve(use)));
    } else if (inlined.results.empty()) {
      out += kEmpty;
    } else {
      out += inlined.results[0];
    }
    return {};
  }

  Result<> catch_clauses(Bytes& out) {
    static constexpr std::string_view kWords[] = {"catch", "catch_ref", "catch_all", "catch_all_ref"};
    uint32_t count = 0;
    Bytes clauses;
    const auto take_clause = [&]() -> std::optional<uint32_t> {
      for (uint32_t kind = 0; kind < std::size(kWords); ++kind) {
        if (in_.take_group(kWords[kind])) return kind;
      }
      return std::nullopt;
    };
    for (auto kind = take_clause(); kind; kind = take_clause()) {
      clauses += static_cast<char>(*kind);
      if (*kind < 2) put_unsigned(clauses, TRY(module_.index(module_.tag_space_)));
      put_unsigned(clauses, TRY(label()));
      TRY(in_.expect_right());
      ++count;
    }
    put_unsigned(out, count);
    out += clauses;
    return {};
  }

  // --- Plain instructions --------------------------------------------------------------------------------------------

  // Reads the immediates of `op` and writes the whole instruction.
  Result<> plain(Opcode op, Bytes& out) {
    switch (info(op).immediates) {
      case ImmKind::None: return op == Opcode::Select ? select(out) : no_immediate(op, out);
      case ImmKind::SelectTypes:
      case ImmKind::Block:
      case ImmKind::TryTable: UNREACHABLE("wasm: {} is not a plain instruction", info(op).text);
      case ImmKind::Label: return one(op, TRY(label()), out);
      case ImmKind::BrTable: return br_table(op, out);
      case ImmKind::Func: return one(op, TRY(module_.index(module_.func_space_)), out);
      case ImmKind::Local: return one(op, TRY(module_.index(context_.locals)), out);
      case ImmKind::Global: return one(op, TRY(module_.index(module_.global_space_)), out);
      case ImmKind::Table: return one(op, TRY(module_.index_or_zero(module_.table_space_)), out);
      case ImmKind::Memory: return one(op, TRY(module_.index_or_zero(module_.memory_space_)), out);
      case ImmKind::Tag: return one(op, TRY(module_.index(module_.tag_space_)), out);
      case ImmKind::Data: return one(op, TRY(data_index()), out);
      case ImmKind::Elem: return one(op, TRY(module_.index(module_.elem_space_)), out);
      case ImmKind::Type: return one(op, TRY(module_.index(module_.type_space_)), out);
      case ImmKind::MemArg:
      case ImmKind::MemArgLane: return mem_arg(op, out);
      case ImmKind::Lane: {
        put_opcode(out, op);
        out += static_cast<char>(TRY(lane()));
        return {};
      }
      case ImmKind::DataMemory: return data_memory(op, out);
      case ImmKind::MemoryMemory: return pair_or_none(op, module_.memory_space_, out);
      case ImmKind::TableTable: return pair_or_none(op, module_.table_space_, out);
      case ImmKind::TableElem: return table_elem(op, out);
      case ImmKind::CallIndirect: return call_indirect(op, out);
      case ImmKind::TypeField: {
        const uint32_t type = TRY(module_.index(module_.type_space_));
        return two(op, type, TRY(module_.field_index(type)), out);
      }
      case ImmKind::TypeCount: {
        const uint32_t type = TRY(module_.index(module_.type_space_));
        return two(op, type, TRY(module_.u32()), out);
      }
      case ImmKind::TypeData: {
        const uint32_t type = TRY(module_.index(module_.type_space_));
        return two(op, type, TRY(data_index()), out);
      }
      case ImmKind::TypeElem: {
        const uint32_t type = TRY(module_.index(module_.type_space_));
        return two(op, type, TRY(module_.index(module_.elem_space_)), out);
      }
      case ImmKind::TypeType: {
        const uint32_t type = TRY(module_.index(module_.type_space_));
        return two(op, type, TRY(module_.index(module_.type_space_)), out);
      }
      case ImmKind::HeapType: return heap_type(op, out);
      case ImmKind::BrOnCast: return br_on_cast(op, out);
      case ImmKind::I32:
      case ImmKind::I64:
      case ImmKind::F32:
      case ImmKind::F64: return constant(op, out);
      case ImmKind::V128: return v128_constant(op, out);
      case ImmKind::Shuffle: return shuffle(op, out);
    }
    return {};
  }

  static Result<> no_immediate(Opcode op, Bytes& out) {
    put_opcode(out, op);
    return {};
  }
  static Result<> one(Opcode op, uint32_t a, Bytes& out) {
    put_opcode(out, op);
    put_unsigned(out, a);
    return {};
  }
  static Result<> two(Opcode op, uint32_t a, uint32_t b, Bytes& out) {
    put_opcode(out, op);
    put_unsigned(out, a);
    put_unsigned(out, b);
    return {};
  }

  Result<> select(Bytes& out) {
    if (!in_.at_group("result")) return no_immediate(Opcode::Select, out);
    uint32_t count = 0;
    Bytes types;
    while (in_.take_group("result")) {
      for (; !in_.is(TokenKind::kRight); ++count) types += TRY(module_.value_type());
      in_.next();
    }
    put_opcode(out, Opcode::SelectTyped);
    put_unsigned(out, count);
    out += types;
    return {};
  }

  Result<> br_table(Opcode op, Bytes& out) {
    std::vector<uint32_t> labels = {TRY(label())};
    while (in_.at_index()) labels.push_back(TRY(label()));
    put_opcode(out, op);
    put_unsigned(out, labels.size() - 1);
    for (const uint32_t depth : labels) put_unsigned(out, depth);
    return {};
  }

  Result<uint32_t> data_index() {
    module_.uses_data_index_ = true;
    return module_.index(module_.data_space_);
  }

  // "memory.init data" or "memory.init memory data"; the binary has data first.
  Result<> data_memory(Opcode op, Bytes& out) {
    const bool names_memory = peek_is_index(1);
    const uint32_t memory = names_memory ? TRY(module_.index(module_.memory_space_)) : 0;
    return two(op, TRY(data_index()), memory, out);
  }
  Result<> table_elem(Opcode op, Bytes& out) {
    const bool names_table = peek_is_index(1);
    const uint32_t table = names_table ? TRY(module_.index(module_.table_space_)) : 0;
    return two(op, TRY(module_.index(module_.elem_space_)), table, out);
  }
  bool peek_is_index(size_t ahead) const {
    Cursor look = in_;
    look.move_to(in_.at() + ahead);
    return look.at_index();
  }

  Result<> pair_or_none(Opcode op, const IndexSpace& space, Bytes& out) {
    if (!in_.at_index()) return two(op, 0, 0, out);
    const uint32_t first = TRY(module_.index(space));
    return two(op, first, TRY(module_.index(space)), out);
  }

  Result<> call_indirect(Opcode op, Bytes& out) {
    const uint32_t table = TRY(module_.index_or_zero(module_.table_space_));
    const TypeUse use = TRY(module_.type_use(nullptr));
    return two(op, TRY(module_.resolve(use)), table, out);
  }

  Result<> heap_type(Opcode op, Bytes& out) {
    if (op == Opcode::RefNull) {
      put_opcode(out, op);
      out += TRY(module_.heap_type());
      return {};
    }
    const RefText type = TRY(module_.ref_type_parts());
    if (type.nullable) op = op == Opcode::RefTest ? Opcode::RefTestNull : Opcode::RefCastNull;
    put_opcode(out, op);
    out += type.heap;
    return {};
  }

  Result<> br_on_cast(Opcode op, Bytes& out) {
    const uint32_t depth = TRY(label());
    const RefText source = TRY(module_.ref_type_parts());
    const RefText target = TRY(module_.ref_type_parts());
    put_opcode(out, op);
    out += static_cast<char>((source.nullable ? 1 : 0) | (target.nullable ? 2 : 0));
    put_unsigned(out, depth);
    out += source.heap;
    out += target.heap;
    return {};
  }

  // --- Memory arguments ------------------------------------------------------------------------------------------------

  // memory? offset=? align=? (lane)
  Result<> mem_arg(Opcode op, Bytes& out) {
    const bool has_lane = info(op).immediates == ImmKind::MemArgLane;
    // With a lane, a lone number is the lane.
    const bool names_memory = in_.is(TokenKind::kId) || (in_.at_number() && (!has_lane || !is_last_number()));
    const uint32_t memory = names_memory ? TRY(module_.index(module_.memory_space_)) : 0;
    const uint64_t offset = TRY(keyed_number("offset=")).value_or(0);
    const Token& align_at = in_.peek();
    const std::optional<uint64_t> align = TRY(keyed_number("align="));
    if (align && !std::has_single_bit(*align)) return in_.fail(align_at, "alignment must be a power of two");
    const auto align_log2 = align ? static_cast<uint32_t>(std::countr_zero(*align)) : natural_align_log2(op);
    constexpr uint32_t kNamesMemory = 0x40;
    put_opcode(out, op);
    put_unsigned(out, align_log2 | (memory != 0 ? kNamesMemory : 0));
    if (memory != 0) put_unsigned(out, memory);
    put_unsigned(out, offset);
    if (has_lane) out += static_cast<char>(TRY(lane()));
    return {};
  }

  bool is_last_number() const {
    const Token& after = in_.peek(1);
    if (after.kind != TokenKind::kWord) return true;
    return !(after.text.starts_with("offset=") || after.text.starts_with("align=") || peek_is_index(1));
  }

  Result<std::optional<uint64_t>> keyed_number(std::string_view key) {
    const Token& token = in_.peek();
    if (token.kind != TokenKind::kWord || !token.text.starts_with(key)) return std::nullopt;
    const Number<uint64_t> value = parse_unsigned(token.text.substr(key.size()), UINT64_MAX);
    if (!value && value.error() == NumberError::kMalformed) return in_.unexpected();
    if (!value) return in_.fail(token, "constant out of range");
    in_.next();
    return *value;
  }

  // --- Constants ---------------------------------------------------------------------------------------------------------

  Result<uint64_t> number(Number<uint64_t> value) {
    if (!value) {
      return in_.fail(in_.peek(), value.error() == NumberError::kOutOfRange
                                      ? "constant out of range"
                                      : "unknown operator or malformed number " + Cursor::describe(in_.peek()));
    }
    in_.next();
    return *value;
  }
  Result<uint64_t> integer(unsigned bits) {
    if (!in_.is(TokenKind::kWord)) return in_.unexpected();
    return number(parse_integer(in_.peek().text, bits));
  }
  Result<uint64_t> floating(FloatWidth width) {
    if (!in_.is(TokenKind::kWord)) return in_.unexpected();
    return number(parse_float(in_.peek().text, width));
  }
  Result<uint64_t> lane() {
    if (!in_.at_number()) return in_.unexpected();
    return number(parse_unsigned(in_.peek().text, UINT8_MAX));
  }

  static void put_fixed(Bytes& out, uint64_t value, unsigned bits) {
    for (unsigned at = 0; at < bits; at += 8) out += static_cast<char>(value >> at & 0xff);
  }

  Result<> constant(Opcode op, Bytes& out) {
    put_opcode(out, op);
    switch (info(op).immediates) {
      case ImmKind::I32: put_signed(out, static_cast<int32_t>(TRY(integer(32)))); return {};
      case ImmKind::I64: put_signed(out, static_cast<int64_t>(TRY(integer(64)))); return {};
      case ImmKind::F32: put_fixed(out, TRY(floating(FloatWidth::k32)), 32); return {};
      default: put_fixed(out, TRY(floating(FloatWidth::k64)), 64); return {};
    }
  }

  Result<> v128_constant(Opcode op, Bytes& out) {
    struct Shape {
      std::string_view word;
      unsigned lanes;
      bool is_float;
    };
    static constexpr Shape kShapes[] = {{"i8x16", 16, false}, {"i16x8", 8, false}, {"i32x4", 4, false},
                                        {"i64x2", 2, false},  {"f32x4", 4, true},  {"f64x2", 2, true}};
    for (const Shape& shape : kShapes) {
      if (!in_.take_word(shape.word)) continue;
      put_opcode(out, op);
      const unsigned bits = 128 / shape.lanes;
      for (unsigned i = 0; i < shape.lanes; ++i) {
        if (!in_.is(TokenKind::kWord)) return in_.fail(in_.peek(), "wrong number of lane literals");
        const uint64_t value =
            !shape.is_float ? TRY(integer(bits)) : TRY(floating(bits == 32 ? FloatWidth::k32 : FloatWidth::k64));
        put_fixed(out, value, bits);
      }
      return {};
    }
    return in_.unexpected();
  }

  Result<> shuffle(Opcode op, Bytes& out) {
    put_opcode(out, op);
    for (unsigned i = 0; i < 16; ++i) out += static_cast<char>(TRY(lane()));
    return {};
  }

  ModuleParser& module_;
  Cursor& in_;
  CodeContext& context_;
  Bytes& out_;
  std::vector<Frame> stack_;
};

Result<> ModuleParser::instructions(CodeContext& context, Bytes& out) {
  return InstrParser(*this, context, out).sequence();
}

Result<> ModuleParser::folded_instruction(CodeContext& context, Bytes& out) {
  return InstrParser(*this, context, out).single();
}

}  // namespace parallax::wasm::text
