// The text parser proper: one module's tokens to bytes.
//
// Two rounds over the fields. The first declares every name and index (so that uses may come before definitions) and
// reads all types; the second reads everything else in order and emits its section's bytes at once: there is no syntax
// tree. Function types written inline are looked up, or appended behind the explicit ones, in the order of the text.
//
// Instructions (instr_parser.cc) are read with an explicit stack of open constructs instead of recursion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/wasm/instr.h"
#include "engine/wasm/names.h"
#include "engine/wasm/text/cursor.h"
#include "engine/wasm/text/parse.h"

namespace parallax::wasm::text {

// Bytes under construction (std::string: short ones need no allocation).
using Bytes = std::string;
void put_unsigned(Bytes& out, uint64_t value);
void put_signed(Bytes& out, int64_t value);
void put_bytes(Bytes& out, std::string_view bytes);  // length, then the bytes
void put_opcode(Bytes& out, Opcode op);

// One index space: how many there are, and which have names.
struct IndexSpace {
  const char* what;  // "func": in messages
  uint32_t count = 0;
  std::unordered_map<std::string_view, uint32_t> by_id = {};
  std::vector<NameEntry> names = {};
};

struct Signature {
  std::vector<Bytes> params;  // encoded value types
  std::vector<Bytes> results;
  friend bool operator==(const Signature&, const Signature&) = default;
};

// A reference type, taken apart.
struct RefText {
  bool nullable = true;
  Bytes heap;
};

struct TypeUse {
  std::optional<uint32_t> type;  // (type x)
  Signature inline_signature;
  size_t at = 0;  // token, for messages
  bool is_inline_empty() const { return inline_signature.params.empty() && inline_signature.results.empty(); }
};

// Everything that instructions of one function (or constant expression) need.
struct CodeContext {
  struct Hint {
    uint32_t offset;  // in the code
    uint8_t value;
  };
  bool in_func = false;
  IndexSpace locals{"local"};
  std::vector<std::string_view> labels;  // open ones, innermost last; empty where there is no name
  uint32_t label_count = 0;              // opened so far
  std::vector<NameEntry> label_names;
  std::vector<Hint> hints;
};

class ModuleParser {
 public:
  // Parses the fields between the tokens `begin` and `end` (a kRight or kEnd). `begin` is behind "module" and its name.
  ModuleParser(const Tokens& tokens, size_t begin, size_t end, const ParseOptions& options);
  // `name`: the module's own, from its identifier.
  Result<std::vector<uint8_t>> run(std::string_view name);

  // Whether the module has to be read again because a function's type stood further down, written inline: its number of
  // parameters, and with it the index of the first local, was not known yet.
  bool has_guessed() const { return has_guessed_; }
  // Learns the types from a reading of the same module that has guessed.
  void learn(const ModuleParser& earlier) { param_counts_ = earlier.all_param_counts(); }

 private:
  // --- Names and annotations -----------------------------------------------------------------------------------
  struct Name {
    std::string_view id = {};  // empty: none
    std::optional<std::string> annotated = {};
    bool is_given() const { return !id.empty() || annotated; }
  };
  // An optional identifier and @name annotation.
  Result<Name> optional_name();
  void skip_name();
  Result<> declare(IndexSpace& space, const Name& name, const Token& at);
  void note_name(std::vector<NameEntry>& names, uint32_t index, const Name& name) const;
  static void move_names(std::vector<NameEntry>& from, uint32_t outer, std::vector<IndirectNameEntry>& to);
  // Takes the annotations of this kind that stand before the current token.
  std::vector<const Annotation*> take_annotations(AnnotationKind kind);
  Result<std::optional<std::string>> name_annotation();
  Result<> check_all_annotations_taken() const;

  // --- First round ---------------------------------------------------------------------------------------------
  Result<> declare_fields();
  Result<> declare_field(std::string_view kind, const Token& at);
  Result<> declare_import(const Token& at);
  Result<> declare_types();
  Result<> declare_type();

  // --- Types ---------------------------------------------------------------------------------------------------
  struct TypeDef {
    Bytes encoded = {};
    bool is_func = false;
    Signature signature = {};
    std::unordered_map<std::string_view, uint32_t> fields = {};
  };
  struct Group {
    uint32_t count;
    bool explicit_rec;
  };
  Result<> read_types();
  Result<> read_type(uint32_t group_size);
  Result<> sub_type(TypeDef& def);
  Result<> composite_type(TypeDef& def);
  Result<> struct_fields(TypeDef& def);
  Result<Bytes> field_type();
  Result<Bytes> storage_type();
  Result<Bytes> value_type();
  std::optional<Bytes> short_ref_type();
  Result<RefText> ref_type_parts();
  Result<Bytes> ref_type();
  Result<Bytes> heap_type();
  bool at_ref_type() const;
  Result<> limits(Bytes& out, bool is_64);
  bool address_type();  // takes an optional i32 or i64; true for i64
  // (param ...)* (result ...)*; names of params go to `locals` if given, are refused otherwise.
  Result<Signature> signature(IndexSpace* locals);
  Result<TypeUse> type_use(IndexSpace* locals);
  Result<uint32_t> resolve(const TypeUse& use);
  uint32_t find_or_add(const Signature& signature);

  // --- Second round --------------------------------------------------------------------------------------------
  struct Section {
    uint32_t count = 0;
    Bytes body;
  };
  Result<> read_fields();
  Result<> read_field();
  Result<> import_field();
  Result<> func_field();
  Result<> func_body(CodeContext& context);
  Result<Bytes> locals(IndexSpace& space);
  Result<> table_field();
  Result<> table_definition(uint32_t index);
  Result<> inline_elems(uint32_t table, bool is_64, const Bytes& element, uint64_t& count);
  Result<> memory_field();
  Result<> inline_data(uint32_t memory, bool is_64);
  Result<> global_field();
  Result<> tag_field();
  Result<> export_field();
  Result<> start_field();
  Result<> elem_field();
  Result<> data_field();

  // What a segment of elements lists: function indices, or expressions of a reference type.
  struct ElemList {
    bool uses_exprs = false;
    Bytes type;  // with uses_exprs
    std::vector<uint32_t> funcs;
    std::vector<Bytes> exprs;
    size_t count() const { return uses_exprs ? exprs.size() : funcs.size(); }
  };
  enum class Bare : uint8_t { kRefused, kAdmitted };  // function indices without the word `func`
  Result<ElemList> elem_list(Bare bare);
  Result<> func_indices(ElemList& list);
  static void name_functions(ElemList& list);  // indices to ref.func expressions
  Result<> elem_exprs(ElemList& list);
  void put_elem(uint32_t flags, std::optional<uint32_t> table, const Bytes& offset, const ElemList& list);
  void put_active_elem(uint32_t table, const Bytes& offset, const ElemList& list);
  Result<Bytes> offset_expr();
  Result<Bytes> single_instruction_expr();
  Result<Bytes> expr_until_right();
  Result<Bytes> strings();

  // Inline (export "n")* and then, possibly, (import "m" "n").
  Result<> inline_exports(ExternKind kind, uint32_t index);
  Result<bool> inline_import();
  Result<> begin_import(const Token& at);
  void begin_definition() { defined_ = true; }
  uint32_t param_count(uint32_t type);
  std::vector<uint32_t> all_param_counts() const;
  Result<> extern_type(ExternKind kind, uint32_t index);
  Result<> table_type(Bytes& out);
  Result<> memory_type(Bytes& out);
  Result<Bytes> global_type();

  // --- Indices and numbers ---------------------------------------------------------------------------------------
  Result<uint32_t> u32();
  Result<uint64_t> u64();
  Result<uint32_t> index(const IndexSpace& space);
  Result<uint32_t> index_or_zero(const IndexSpace& space);
  Result<uint32_t> field_index(uint32_t type);

  // --- Instructions (instr_parser.cc) ------------------------------------------------------------------------------
  friend class InstrParser;
  // Instructions up to the kRight that ends the enclosing group, which is not taken.
  Result<> instructions(CodeContext& context, Bytes& out);
  // One folded instruction.
  Result<> folded_instruction(CodeContext& context, Bytes& out);

  // --- Output (module_writer.cc) -------------------------------------------------------------------------------------
  struct Custom {
    std::string name;
    Bytes content;
    enum class Place : uint8_t { kBefore, kAfter } place = Place::kAfter;
    uint8_t section = 0;  // section id, kFirst or kLast
  };
  Result<> take_customs();
  Result<Custom> custom_annotation(const Annotation& annotation) const;
  Result<size_t> custom_place(const Annotation& annotation, Custom& custom) const;
  Result<std::vector<uint8_t>> write(std::string_view name);
  Bytes type_section() const;
  Bytes name_section(std::string_view name);
  Bytes branch_hint_section() const;

  Cursor in_;
  size_t end_;
  ParseOptions options_;
  std::vector<bool> taken_;  // by annotation

  IndexSpace type_space_{"type"}, func_space_{"func"}, table_space_{"table"}, memory_space_{"memory"},
      global_space_{"global"}, tag_space_{"tag"}, elem_space_{"elem"}, data_space_{"data"};
  std::vector<size_t> type_fields_;  // tokens of the first round's (type and (rec fields
  std::vector<TypeDef> types_;
  std::vector<Group> groups_;
  // Final function types without supertype in a group of their own, by encoding; the first of equal ones.
  std::unordered_map<Bytes, uint32_t> plain_funcs_;
  ModuleNames names_;  // of locals, labels and fields; the index spaces keep the others until the end
  std::vector<std::pair<uint32_t, std::vector<CodeContext::Hint>>> hints_;
  std::optional<std::string> module_name_;

  // Next index to define, in the second round.
  uint32_t next_func_ = 0, next_table_ = 0, next_memory_ = 0, next_global_ = 0, next_tag_ = 0;
  bool defined_ = false;  // something that imports must precede
  bool uses_data_index_ = false;
  bool has_guessed_ = false;
  std::vector<uint32_t> param_counts_;  // by type; empty in a first reading
  Section imports_, funcs_, tables_, memories_, globals_, tags_, exports_, elems_, codes_, datas_;
  std::optional<uint32_t> start_;
  std::vector<Custom> customs_;
};

// A module's fields between two tokens, as for ModuleParser.
Result<std::vector<uint8_t>> parse_fields(const Tokens& tokens, size_t begin, size_t end, const ParseOptions& options,
                                          std::string_view name);
// The module whose "(" is the token `group`.
Result<std::vector<uint8_t>> parse_module_group(const Tokens& tokens, size_t group, const ParseOptions& options);

}  // namespace parallax::wasm::text
