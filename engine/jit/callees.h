// What the passes learn about the rest of the module and about the instance (opt::Callees).
//
// One object per thread of compilation; it keeps the memory of its translations, and the translations themselves until
// start() names the next function to compile.
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
  // Forgets what was translated. All must live until the next start. Without an instance nothing is known of tables,
  // without `facts` they are found anew.
  void start(Translator& translator, const wasm::Module& module, const TranslateOptions& options,
             const runtime::Instance* instance = nullptr, ModuleFacts* facts = nullptr);
  const ir::Func* body(wasm::FuncIndex func) override;
  std::span<const wasm::FuncIndex> named(wasm::TypeId type, size_t most) override;
  std::span<const Element> constant_table(wasm::TableIndex table) override;

 private:
  // More callees than this in one function are translated again.
  static constexpr size_t kMostKept = 24;
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
  size_t used_ = 0;  // of kept_, since start
  size_t next_ = 0;  // the one that goes when all are used
  std::vector<Element> elements_;
};

}  // namespace parallax::jit
