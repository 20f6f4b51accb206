// Callees for the inliner: translations of other functions of the module being compiled.
//
// One object per thread of compilation; it keeps the memory of its translations, and the translations themselves until
// start() names the next function to compile.
#pragma once

#include <memory>
#include <vector>

#include "engine/jit/translate.h"
#include "engine/opt/callees.h"

namespace parallax::jit {

class TranslatedCallees final : public opt::Callees {
 public:
  // Forgets what was translated. `translator` and `module` must live until the next start.
  void start(Translator& translator, const wasm::Module& module, const TranslateOptions& options);
  const ir::Func* body(wasm::FuncIndex func) override;

 private:
  // More callees than this in one function are translated again.
  static constexpr size_t kMostKept = 24;
  struct Kept {
    wasm::FuncIndex func;
    bool translated = false;
    std::unique_ptr<ir::Func> body;
  };

  Translator* translator_ = nullptr;
  const wasm::Module* module_ = nullptr;
  TranslateOptions options_;
  std::vector<Kept> kept_;
  size_t used_ = 0;  // of kept_, since start
  size_t next_ = 0;  // the one that goes when all are used
};

}  // namespace parallax::jit
