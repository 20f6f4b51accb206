#include "engine/jit/symbols.h"

#include <elf.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "engine/base/text.h"

// --- The debugger's list, by the names that it looks for -----------------------------------------------------------

extern "C" {

struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  uint64_t symfile_size;
};

struct jit_descriptor {
  uint32_t version;
  uint32_t action_flag;  // what just happened: 1 registered, 2 unregistered
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};

// A debugger has a breakpoint here.
[[gnu::noinline, gnu::used]] void __jit_debug_register_code() { asm volatile("" ::: "memory"); }

[[gnu::used]] jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};
}

namespace parallax::jit {
namespace {

std::atomic<bool> g_wants_map = false;
std::atomic<bool> g_wants_gdb = false;

std::mutex g_list;  // of the descriptor and of the map file

class Bytes {
 public:
  template <class T>
  size_t put(const T& value) {
    const auto* const raw = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
    return bytes_.size() - sizeof(T);
  }
  void put(std::initializer_list<uint8_t> list) { bytes_.insert(bytes_.end(), list); }
  void pad(size_t alignment, uint8_t with) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(with);
  }
  template <class T>
  void set(size_t at, const T& value) {
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
  }
  size_t size() const { return bytes_.size(); }
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

// DWARF, "Call Frame Information": opcodes and the numbers of registers on x86-64.
constexpr uint8_t kAdvance4 = 0x04, kDefCfa = 0x0c, kDefCfaRegister = 0x0d, kDefCfaOffset = 0x0e, kOffset = 0x80;
constexpr uint8_t kNop = 0;
constexpr uint8_t kDwarfRbx = 3, kDwarfRbp = 6, kDwarfRsp = 7, kDwarfReturn = 16;
constexpr uint8_t kMoveBytes = 3;  // "mov rbp, rsp"

// Writes a record's length, and its end.
template <class Body>
void record(Bytes& out, Body&& body) {
  const size_t begin = out.put(uint32_t{0});
  body();
  out.pad(8, kNop);
  out.set(begin, static_cast<uint32_t>(out.size() - begin - sizeof(uint32_t)));
}

void put_frame_rules(Bytes& out, const CodeSymbol& symbol) {
  record(out, [&] {
    out.put(~uint32_t{0});                                        // a common entry
    out.put({1, 0, 1, 0x78, kDwarfReturn});                       // version, augmentation, alignments 1 and -8
    out.put({kDefCfa, kDwarfRsp, 8, kOffset | kDwarfReturn, 1});  // at the first instruction
  });
  record(out, [&] {
    out.put(uint32_t{0});  // that common entry
    out.put(reinterpret_cast<uint64_t>(symbol.code.data()));
    out.put(uint64_t{symbol.code.size()});
    if (symbol.rule == FrameRule::kPadded) out.put({kDefCfaOffset, 16});
    if (symbol.rule != FrameRule::kFramed && symbol.rule != FrameRule::kEntry) return;
    out.put({kAdvance4});
    out.put(symbol.frame_at);
    out.put({kDefCfaOffset, 16, kOffset | kDwarfRbp, 2, kAdvance4});
    out.put(uint32_t{kMoveBytes});
    out.put({kDefCfaRegister, kDwarfRbp});
    // Below the depth: rbx, r12 to r15.
    if (symbol.rule == FrameRule::kEntry) {
      out.put({kOffset | kDwarfRbx, 4, kOffset | 12, 5, kOffset | 13, 6, kOffset | 14, 7, kOffset | 15, 8});
    }
  });
}

void append_to_map(const CodeSymbol& symbol) {
  const std::lock_guard lock(g_list);
  // One file for a process and all its stores; a fork has another one.
  static pid_t owner = 0;
  static FILE* file = nullptr;
  if (owner != getpid()) {
    owner = getpid();
    file = std::fopen(text::format("/tmp/perf-{}.map", owner).c_str(), "a");
  }
  if (file == nullptr) return;
  std::fprintf(file, "%llx %zx %s\n", static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(symbol.code.data())),
               symbol.code.size(), symbol.name.c_str());
  std::fflush(file);
}

}  // namespace

std::vector<uint8_t> elf_of(const CodeSymbol& symbol) {
  enum : uint16_t { kNull, kText, kSymbols, kStrings, kFrames, kSections };
  const auto address = reinterpret_cast<uint64_t>(symbol.code.data());
  Bytes out;
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = kSections;
  header.e_shstrndx = kStrings;
  out.put(header);

  Elf64_Shdr sections[kSections] = {};
  std::string strings(1, '\0');
  const auto named = [&](std::string_view name) {
    const auto at = static_cast<uint32_t>(strings.size());
    strings.append(name).push_back('\0');
    return at;
  };
  const auto section = [&](uint16_t which, std::string_view name, uint32_t type, size_t begin) -> Elf64_Shdr& {
    Elf64_Shdr& s = sections[which];
    s.sh_name = named(name);
    s.sh_type = type;
    s.sh_offset = begin;
    s.sh_size = out.size() - begin;
    s.sh_addralign = 8;
    return s;
  };
  Elf64_Shdr& code = section(kText, ".text", SHT_NOBITS, out.size());
  code.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  code.sh_addr = address;
  code.sh_size = symbol.code.size();

  size_t begin = out.size();
  out.put(Elf64_Sym{});
  Elf64_Sym function = {};
  function.st_name = named(symbol.name);
  function.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  function.st_shndx = kText;
  function.st_value = address;
  function.st_size = symbol.code.size();
  out.put(function);
  Elf64_Shdr& symbols = section(kSymbols, ".symtab", SHT_SYMTAB, begin);
  symbols.sh_link = kStrings;
  symbols.sh_info = 1;  // the first global one
  symbols.sh_entsize = sizeof(Elf64_Sym);

  begin = out.size();
  put_frame_rules(out, symbol);
  section(kFrames, ".debug_frame", SHT_PROGBITS, begin);

  begin = out.size();
  const uint32_t own_name = named(".strtab");
  for (const char c : strings) out.put(c);
  Elf64_Shdr& table = section(kStrings, "", SHT_STRTAB, begin);
  table.sh_name = own_name;
  out.pad(8, 0);

  header.e_shoff = out.size();
  out.set(0, header);
  for (const Elf64_Shdr& s : sections) out.put(s);
  return out.take();
}

void name_code_for(bool perf_map, bool gdb) {
  g_wants_map = perf_map;
  g_wants_gdb = gdb;
}

std::unique_ptr<CodeSymbols> CodeSymbols::make() {
  if (!g_wants_map && !g_wants_gdb) return nullptr;
  return std::make_unique<CodeSymbols>(g_wants_map, g_wants_gdb);
}

struct CodeSymbols::Registered {
  jit_code_entry entry = {};
  std::vector<uint8_t> file;
};

void CodeSymbols::add(const CodeSymbol& symbol) {
  if (perf_map_) append_to_map(symbol);
  if (!gdb_) return;
  auto* const made = new Registered;
  made->file = elf_of(symbol);
  made->entry.symfile_addr = reinterpret_cast<const char*>(made->file.data());
  made->entry.symfile_size = made->file.size();
  registered_.push_back(made);
  const std::lock_guard lock(g_list);
  made->entry.next_entry = __jit_debug_descriptor.first_entry;
  if (made->entry.next_entry != nullptr) made->entry.next_entry->prev_entry = &made->entry;
  __jit_debug_descriptor.first_entry = &made->entry;
  __jit_debug_descriptor.relevant_entry = &made->entry;
  __jit_debug_descriptor.action_flag = 1;
  __jit_debug_register_code();
}

CodeSymbols::~CodeSymbols() {
  const std::lock_guard lock(g_list);
  for (Registered* const old : registered_) {
    jit_code_entry& entry = old->entry;
    if (entry.prev_entry != nullptr) entry.prev_entry->next_entry = entry.next_entry;
    if (entry.next_entry != nullptr) entry.next_entry->prev_entry = entry.prev_entry;
    if (__jit_debug_descriptor.first_entry == &entry) __jit_debug_descriptor.first_entry = entry.next_entry;
    __jit_debug_descriptor.relevant_entry = &entry;
    __jit_debug_descriptor.action_flag = 2;
    __jit_debug_register_code();
    delete old;
  }
}

std::string CodeSymbols::name_of(const std::shared_ptr<const wasm::Module>& module, uint32_t func) {
  const auto [at, is_new] = names_.try_emplace(module);
  if (is_new) at->second = wasm::read_names(*module);
  const std::string_view name = wasm::ModuleNames::find(at->second.funcs, func);
  return name.empty() ? text::format("wasm:func{}", func) : text::format("wasm:{}", name);
}

}  // namespace parallax::jit
