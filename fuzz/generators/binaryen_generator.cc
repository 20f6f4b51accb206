// Binaryen's fuzzer as a generator in process.
//
// The only file (besides other binaryen_*.cc) that sees Binaryen's headers. Its types and names are interned for ever, so
// its process has to be replaced from time to time; its Fatal() ends the process; both are the campaign's business. The
// thread pool is switched off before first use: it costs more than half of the time.
#include "fuzz/generators/makers.h"

#if PARALLAX_HAVE_BINARYEN

#include <cstdlib>

#include "pass.h"
#include "tools/fuzzing.h"
#include "wasm-binary.h"
#include "wasm.h"

namespace wasm {
extern size_t parallaxGCWeight;
}

namespace parallax::fuzz {

bool have_binaryen() { return true; }

namespace {

// What the engine compiles; one input in sixteen has 64-bit and several memories besides.
::wasm::FeatureSet features(bool wide) {
  using ::wasm::FeatureSet;
  return FeatureSet((wide ? FeatureSet::Memory64 | FeatureSet::MultiMemory : 0) | FeatureSet::MVP |
                    FeatureSet::SignExt | FeatureSet::TruncSat | FeatureSet::MutableGlobals | FeatureSet::BulkMemory |
                    FeatureSet::BulkMemoryOpt | FeatureSet::CallIndirectOverlong | FeatureSet::ReferenceTypes |
                    FeatureSet::Multivalue | FeatureSet::TailCall | FeatureSet::GC | FeatureSet::ExtendedConst |
                    FeatureSet::ExceptionHandling);
}

}  // namespace

Result<Case> make_binaryen(std::span<const uint8_t> bytes) {
  static const bool single_threaded =
      ::setenv("BINARYEN_CORES", "1", 1) == 0 && ::unsetenv("BINARYEN_FUZZER_MAX_BYTES") == 0;
  if (!single_threaded || bytes.size() < 16)
    return fail(ErrorCode::kLimit, 0, "too few bytes for Binaryen's generator");
  // Two bits of the input choose the swarm: how heavy on accesses and casts, and whether accesses may be out of bounds.
  ::wasm::parallaxGCWeight = bytes[0] % 4 == 0 ? 1 : 8;
  ::wasm::Module module;
  module.features = features(bytes[1] % 16 == 0);
  {
    ::wasm::TranslateToFuzzReader reader(module, std::vector<char>(bytes.begin(), bytes.end()));
    reader.setAllowMemory(bytes[0] % 8 < 6);
    reader.setAllowOOB(bytes[0] % 16 == 0);
    reader.build();
  }
  ::wasm::PassOptions options;
  options.validate = false;
  ::wasm::PassRunner runner(&module, options);
  runner.add("dce");
  runner.add("translate-to-exnref");
  runner.run();
  ::wasm::BufferWithRandomAccess buffer;
  ::wasm::WasmBinaryWriter writer(&module, buffer, options);
  writer.setNamesSection(false);
  writer.write();
  Case subject;
  subject.modules.emplace_back(buffer.begin(), buffer.end());
  subject.claims_valid = true;
  return subject;
}

}  // namespace parallax::fuzz

#else

namespace parallax::fuzz {

bool have_binaryen() { return false; }
Result<Case> make_binaryen(std::span<const uint8_t>) {
  return fail(ErrorCode::kUnsupported, 0, "this build has no Binaryen (scripts/bootstrap builds it)");
}

}  // namespace parallax::fuzz

#endif
