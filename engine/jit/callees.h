// What the passes learn about the rest of the module and about the instance (opt::Callees).
//
// One object per thread of compilation; it keeps the memory of its translations, and the translations themselves as long as
// start() names the same module of the same compiler (ModuleFacts::serial).
#pragma once

#include <memory>
#include <vector>

#include "engine/jit/module_facts.h"
#include "engine/jit/translate.h"
#include "engine/opt/callees.h"
#include "engine/runtime/instance.h"

namespace parallax::jit {

class TranslatedCallees final : public opt::Callees {
 public:
  // All must live until the next start. Without an instance nothing is known of tables, without `facts` they are found
  // anew, and translations are forgotten.
  void start(Translator& translator, const wasm::Module& module, const TranslateOptions& options,
             const runtime::Instance* instance = nullptr, ModuleFacts* facts = nullptr);
  const ir::Func* body(wasm::FuncIndex func) override;
  std::optional<size_t> size(wasm::FuncIndex func) override;
  // The body if it is at hand, without translating anything.
  const ir::Func* at_hand(wasm::FuncIndex func) const;
  std::span<const wasm::FuncIndex> named(wasm::TypeId type, size_t most) override;
  std::span<const Element> constant_table(wasm::TableIndex table) override;

 private:
  // More callees than this are translated again.
  static constexpr size_t kMostKept = 32;
  // Larger tables are nobody's interest.
  static constexpr uint64_t kMostElements = 64;
  struct Kept {
    wasm::FuncIndex func;
    bool translated = false;
    std::unique_ptr<ir::Func> body;
  };
  ModuleFacts& facts();
  Element element(uint64_t id) const;

  Translator* translator_ = nullptr;
  const wasm::Module* module_ = nullptr;
  const runtime::Instance* instance_ = nullptr;
  TranslateOptions options_;
  ModuleFacts* facts_ = nullptr;
  std::unique_ptr<ModuleFacts> own_facts_;
  std::vector<Kept> kept_;
  uint64_t serial_ = 0;  // of the facts of the module that kept_ is about; 0: of none
  size_t used_ = 0;      // of kept_
  size_t next_ = 0;      // the one that goes when all are used
  std::vector<Element> elements_;
};

}  // namespace parallax::jit
