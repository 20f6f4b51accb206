// Binaryen's fuzzer as a generator in process.
//
// The only file (besides other binaryen_*.cc) that sees Binaryen's headers. Its types and names are interned for ever, so
// its process has to be replaced from time to time; its Fatal() ends the process; both are the campaign's business. The
// thread pool is switched off before first use: it costs more than half of the time.
#include "fuzz/generators/makers.h"

#if PARALLAX_HAVE_BINARYEN

#include <cstdlib>
#include <memory>

#include "parsing.h"
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

// What the engine compiles; one input in sixteen has 64-bit and several memories besides. Vectors need a memory: Binaryen's
// fuzzer loads them whether there is one or not.
::wasm::FeatureSet features(bool wide, bool memory) {
  using ::wasm::FeatureSet;
  return FeatureSet((wide ? FeatureSet::Memory64 | FeatureSet::MultiMemory : 0) |
                    (memory ? FeatureSet::SIMD | FeatureSet::RelaxedSIMD : 0) | FeatureSet::MVP | FeatureSet::SignExt |
                    FeatureSet::TruncSat | FeatureSet::MutableGlobals | FeatureSet::BulkMemory |
                    FeatureSet::BulkMemoryOpt | FeatureSet::CallIndirectOverlong | FeatureSet::ReferenceTypes |
                    FeatureSet::Multivalue | FeatureSet::TailCall | FeatureSet::GC | FeatureSet::ExtendedConst |
                    FeatureSet::ExceptionHandling);
}

// A program of ours as what Binaryen's fuzzer begins with: it adds to it, and changes what is there. Left to itself it
// hardly ever reads what it allocated.
bool begin_with_program(::wasm::Module& module, std::span<const uint8_t> bytes) {
  ChoiceStream choices(bytes);
  const auto program = make_gc_program(choices);
  if (!program || !program->claims_valid) return false;
  const std::vector<uint8_t>& binary = program->modules.front();
  const std::vector<char> input(binary.begin(), binary.end());
  try {
    ::wasm::WasmBinaryReader(module, module.features, input).read();
  } catch (const ::wasm::ParseException&) {
    return false;  // something that it does not know
  }
  return true;
}

}  // namespace

Result<Case> make_binaryen(std::span<const uint8_t> bytes) {
  static const bool single_threaded =
      ::setenv("BINARYEN_CORES", "1", 1) == 0 && ::unsetenv("BINARYEN_FUZZER_MAX_BYTES") == 0;
  if (!single_threaded || bytes.size() < 16)
    return fail(ErrorCode::kLimit, 0, "too few bytes for Binaryen's generator");
  // Bits of the input choose the swarm: how heavy on accesses and casts, whether accesses may be out of bounds, and whether
  // it begins with a program of ours.
  ::wasm::parallaxGCWeight = bytes[0] % 4 == 0 ? 1 : 8;
  const bool begun = bytes[2] % 4 != 0;
  const bool memory = bytes[0] % 8 < 6;
  const auto fresh = [&] {
    auto made = std::make_unique<::wasm::Module>();
    made->features = features(begun || bytes[1] % 16 == 0, memory);
    return made;
  };
  auto owner = fresh();
  if (begun && !begin_with_program(*owner, bytes.subspan(3))) owner = fresh();
  ::wasm::Module& module = *owner;
  {
    ::wasm::TranslateToFuzzReader reader(module, std::vector<char>(bytes.begin(), bytes.end()));
    reader.setAllowMemory(memory);
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
