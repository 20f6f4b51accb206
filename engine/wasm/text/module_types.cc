// Types and type uses of the text format.
//
// Types are kept as the bytes of their encoding, in one canonical spelling (funcref, not (ref null func)), so that
// equality of inline and declared function types is equality of bytes.
#include <utility>

#include "engine/wasm/text/module_parser.h"

namespace parallax::wasm::text {

namespace {

struct AbstractHeap {
  std::string_view heap;  // as a heap type
  std::string_view ref;   // nullable reference type
  char code;
};
constexpr AbstractHeap kAbstractHeaps[] = {
    {"func", "funcref", '\x70'},
    {"extern", "externref", '\x6f'},
    {"any", "anyref", '\x6e'},
    {"eq", "eqref", '\x6d'},
    {"i31", "i31ref", '\x6c'},
    {"struct", "structref", '\x6b'},
    {"array", "arrayref", '\x6a'},
    {"exn", "exnref", '\x69'},
    {"none", "nullref", '\x71'},
    {"nofunc", "nullfuncref", '\x73'},
    {"noextern", "nullexternref", '\x72'},
    {"noexn", "nullexnref", '\x74'},
};

struct ScalarType {
  std::string_view word;
  char code;
};
constexpr ScalarType kValueTypes[] = {
    {"i32", '\x7f'}, {"i64", '\x7e'}, {"f32", '\x7d'}, {"f64", '\x7c'}, {"v128", '\x7b'}};
constexpr ScalarType kPackedTypes[] = {{"i8", '\x78'}, {"i16", '\x77'}};

constexpr char kRefNull = '\x63';
constexpr char kRef = '\x64';
constexpr char kRec = '\x4e';
constexpr char kSubFinal = '\x4f';
constexpr char kSub = '\x50';
constexpr char kFunc = '\x60';
constexpr char kStruct = '\x5f';
constexpr char kArray = '\x5e';

void put_types(Bytes& out, const std::vector<Bytes>& types) {
  put_unsigned(out, types.size());
  for (const Bytes& type : types) out += type;
}

}  // namespace

// --- Type definitions --------------------------------------------------------------------------------------------------

Result<> ModuleParser::read_types() {
  for (const size_t field : type_fields_) {
    in_.move_to(field);
    if (in_.at_group("type")) {
      groups_.push_back({1, false});
      TRY(read_type(1));
      continue;
    }
    const size_t end = in_.peek().match;
    in_.move_to(field + 2);
    uint32_t count = 0;
    for (Cursor look = in_; look.at() < end; ++count) look.skip_group();
    groups_.push_back({count, true});
    while (in_.at() < end) TRY(read_type(count));
  }
  return {};
}

Result<> ModuleParser::read_type(uint32_t group_size) {
  TRY(in_.expect_group("type"));
  skip_name();
  TypeDef def;
  TRY(sub_type(def));
  const bool is_plain_func = def.encoded[0] == kFunc && group_size == 1;
  if (is_plain_func) plain_funcs_.emplace(def.encoded, types_.size());
  types_.push_back(std::move(def));
  return in_.expect_right();
}

Result<> ModuleParser::sub_type(TypeDef& def) {
  if (!in_.take_group("sub")) return composite_type(def);
  const bool is_final = in_.take_word("final");
  uint32_t count = 0;
  Bytes supers;
  for (; in_.at_index(); ++count) put_unsigned(supers, TRY(index(type_space_)));
  if (!is_final || count != 0) {
    def.encoded += is_final ? kSubFinal : kSub;
    put_unsigned(def.encoded, count);
    def.encoded += supers;
  }
  TRY(composite_type(def));
  return in_.expect_right();
}

Result<> ModuleParser::composite_type(TypeDef& def) {
  if (in_.take_group("func")) {
    IndexSpace params{"local"};
    def.is_func = true;
    def.signature = TRY(signature(&params));
    def.encoded += kFunc;
    put_types(def.encoded, def.signature.params);
    put_types(def.encoded, def.signature.results);
  } else if (in_.take_group("struct")) {
    TRY(struct_fields(def));
  } else if (in_.take_group("array")) {
    def.encoded += kArray;
    def.encoded += TRY(field_type());
  } else {
    return in_.unexpected();
  }
  return in_.expect_right();
}

Result<> ModuleParser::struct_fields(TypeDef& def) {
  IndexSpace space{"field"};
  Bytes fields;
  while (in_.take_group("field")) {
    const Token& at = in_.peek();
    const Name name = TRY(optional_name());
    if (name.is_given()) {
      TRY(declare(space, name, at));
      fields += TRY(field_type());
    } else {
      while (!in_.is(TokenKind::kRight)) {
        TRY(declare(space, {}, at));
        fields += TRY(field_type());
      }
    }
    TRY(in_.expect_right());
  }
  def.encoded += kStruct;
  put_unsigned(def.encoded, space.count);
  def.encoded += fields;
  def.fields = std::move(space.by_id);
  move_names(space.names, static_cast<uint32_t>(types_.size()), names_.fields);
  return {};
}

Result<Bytes> ModuleParser::field_type() {
  if (in_.take_group("mut")) {
    Bytes out = TRY(storage_type()) + '\x01';
    TRY(in_.expect_right());
    return out;
  }
  return TRY(storage_type()) + '\0';
}

Result<Bytes> ModuleParser::storage_type() {
  for (const ScalarType& row : kPackedTypes) {
    if (in_.take_word(row.word)) return Bytes(1, row.code);
  }
  return value_type();
}

// --- Value types -------------------------------------------------------------------------------------------------------

Result<Bytes> ModuleParser::value_type() {
  for (const ScalarType& row : kValueTypes) {
    if (in_.take_word(row.word)) return Bytes(1, row.code);
  }
  return ref_type();
}

bool ModuleParser::at_ref_type() const {
  if (in_.at_group("ref")) return true;
  for (const AbstractHeap& row : kAbstractHeaps) {
    if (in_.at_word(row.ref)) return true;
  }
  return false;
}

Result<RefText> ModuleParser::ref_type_parts() {
  for (const AbstractHeap& row : kAbstractHeaps) {
    if (in_.take_word(row.ref)) return RefText{true, Bytes(1, row.code)};
  }
  if (!in_.take_group("ref")) return in_.unexpected();
  RefText type{in_.take_word("null"), {}};
  type.heap = TRY(heap_type());
  TRY(in_.expect_right());
  return type;
}

Result<Bytes> ModuleParser::ref_type() {
  const RefText type = TRY(ref_type_parts());
  const bool is_abstract = type.heap.size() == 1 && (type.heap[0] & 0x40) != 0;
  if (type.nullable && is_abstract) return type.heap;
  return Bytes(1, type.nullable ? kRefNull : kRef) + type.heap;
}

Result<Bytes> ModuleParser::heap_type() {
  for (const AbstractHeap& row : kAbstractHeaps) {
    if (in_.take_word(row.heap)) return Bytes(1, row.code);
  }
  Bytes out;
  put_signed(out, TRY(index(type_space_)));
  return out;
}

bool ModuleParser::address_type() {
  if (in_.take_word("i64")) return true;
  in_.take_word("i32");
  return false;
}

Result<> ModuleParser::limits(Bytes& out, bool is_64) {
  const uint64_t min = TRY(u64());
  const bool has_max = in_.at_number();
  out += static_cast<char>((has_max ? 1 : 0) | (is_64 ? 4 : 0));
  put_unsigned(out, min);
  if (has_max) put_unsigned(out, TRY(u64()));
  return {};
}

Result<> ModuleParser::table_type(Bytes& out) {
  const bool is_64 = address_type();
  Bytes range;
  TRY(limits(range, is_64));
  if (in_.at_word("shared")) return in_.fail(in_.peek(), "shared tables (threads)", ErrorCode::kUnsupported);
  out += TRY(ref_type());
  out += range;
  return {};
}

Result<> ModuleParser::memory_type(Bytes& out) {
  const bool is_64 = address_type();
  TRY(limits(out, is_64));
  if (in_.at_word("shared")) return in_.fail(in_.peek(), "shared memories (threads)", ErrorCode::kUnsupported);
  if (in_.at_group("pagesize")) return in_.fail(in_.peek(), "custom page sizes", ErrorCode::kUnsupported);
  return {};
}

Result<Bytes> ModuleParser::global_type() {
  if (in_.take_group("mut")) {
    Bytes out = TRY(value_type()) + '\x01';
    TRY(in_.expect_right());
    return out;
  }
  return TRY(value_type()) + '\0';
}

// --- Type uses ---------------------------------------------------------------------------------------------------------

Result<Signature> ModuleParser::signature(IndexSpace* locals) {
  Signature signature;
  while (in_.take_group("param")) {
    const Token& at = in_.peek();
    if (locals == nullptr && at.kind == TokenKind::kId) return in_.unexpected();
    const Name name = TRY(optional_name());
    IndexSpace unnamed{"local"};
    IndexSpace& space = locals != nullptr ? *locals : unnamed;
    if (name.is_given()) {
      TRY(declare(space, name, at));
      signature.params.push_back(TRY(value_type()));
    } else {
      while (!in_.is(TokenKind::kRight)) {
        TRY(declare(space, {}, at));
        signature.params.push_back(TRY(value_type()));
      }
    }
    TRY(in_.expect_right());
  }
  while (in_.take_group("result")) {
    while (!in_.is(TokenKind::kRight)) signature.results.push_back(TRY(value_type()));
    TRY(in_.expect_right());
  }
  return signature;
}

Result<TypeUse> ModuleParser::type_use(IndexSpace* locals) {
  TypeUse use;
  use.at = in_.at();
  if (in_.take_group("type")) {
    use.type = TRY(index(type_space_));
    TRY(in_.expect_right());
  }
  use.inline_signature = TRY(signature(locals));
  return use;
}

Result<uint32_t> ModuleParser::resolve(const TypeUse& use) {
  if (!use.type) return find_or_add(use.inline_signature);
  if (use.is_inline_empty()) return *use.type;
  const Token& at = in_.tokens()[use.at];
  if (*use.type >= types_.size()) return in_.fail(at, "unknown type");
  const TypeDef& def = types_[*use.type];
  if (!def.is_func || def.signature != use.inline_signature) {
    return in_.fail(at, "inline function type does not match the declared one");
  }
  return *use.type;
}

uint32_t ModuleParser::find_or_add(const Signature& signature) {
  TypeDef def{.is_func = true, .signature = signature};
  def.encoded += kFunc;
  put_types(def.encoded, signature.params);
  put_types(def.encoded, signature.results);
  const auto [found, is_new] = plain_funcs_.emplace(def.encoded, types_.size());
  if (is_new) {
    types_.push_back(std::move(def));
    groups_.push_back({1, false});
  }
  return found->second;
}

Bytes ModuleParser::type_section() const {
  Bytes out;
  put_unsigned(out, groups_.size());
  size_t next = 0;
  for (const Group& group : groups_) {
    if (group.explicit_rec) {
      out += kRec;
      put_unsigned(out, group.count);
    }
    for (uint32_t i = 0; i < group.count; ++i) out += types_[next++].encoded;
  }
  return out;
}

}  // namespace parallax::wasm::text
