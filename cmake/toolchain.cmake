# Compiler, warnings, sanitizers: everything that applies to each translation unit of ours.
#
# Clang 19 is the compiler; the sources use statement expressions, musttail and preserve_none.  Warnings are errors only
# with PARALLAX_WERROR (CI).  Options that change what is built are listed here and nowhere else.

option(PARALLAX_WERROR "Treat warnings as errors" OFF)
set(PARALLAX_SANITIZE "" CACHE STRING "Comma-separated sanitizers for everything (address, undefined, ...)")
set(PARALLAX_FUZZING_ENGINE "$ENV{LIB_FUZZING_ENGINE}" CACHE STRING
    "Link option of the fuzzing engine for fuzz targets; empty: a standalone main that runs the files it is given")
option(PARALLAX_FUZZER_COVERAGE "Instrument for libFuzzer (-fsanitize=fuzzer-no-link)" OFF)
option(PARALLAX_COVERAGE "Instrument for llvm-cov" OFF)
option(PARALLAX_STATIC_LIBRARIES "Prefer static libraries of the distribution (for binaries that run elsewhere)" OFF)
option(PARALLAX_BUILD_TESTS "Build unit tests, tests/ and bench/" ${PROJECT_IS_TOP_LEVEL})

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "Parallax needs Clang 19 or later (found ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}). "
                      "Use a preset: cmake --preset dev")
endif()
if(NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
  message(FATAL_ERROR "Parallax needs a 64-bit target")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set_property(GLOBAL PROPERTY USE_FOLDERS ON)

find_program(PARALLAX_CCACHE ccache)
if(PARALLAX_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PARALLAX_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${PARALLAX_CCACHE})
endif()

# Everything of ours links parallax_flags.
add_library(parallax_flags INTERFACE)
target_compile_features(parallax_flags INTERFACE cxx_std_23)
target_include_directories(parallax_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(parallax_flags INTERFACE
    -Wall -Wextra -Wpedantic
    # Idioms of ours: TRY (statement expression), designated initialisers in tables, tables expanded from .def files.
    -Wno-gnu-statement-expression -Wno-gnu-statement-expression-from-macro-expansion
    -Wno-c99-extensions -Wno-c99-designator -Wno-missing-field-initializers -Wno-missing-designated-field-initializers
    -Wno-gnu-zero-variadic-macro-arguments
    -Wno-gnu-anonymous-struct -Wno-nested-anon-types -Wno-unused-parameter
    -fno-omit-frame-pointer -fcolor-diagnostics)
target_link_options(parallax_flags INTERFACE -fuse-ld=lld -Wl,--as-needed)
if(PARALLAX_WERROR)
  target_compile_options(parallax_flags INTERFACE -Werror)
endif()

if(PARALLAX_SANITIZE)
  target_compile_options(parallax_flags INTERFACE -fsanitize=${PARALLAX_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(parallax_flags INTERFACE -fsanitize=${PARALLAX_SANITIZE})
endif()
if(PARALLAX_FUZZER_COVERAGE)
  target_compile_options(parallax_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(PARALLAX_COVERAGE)
  target_compile_options(parallax_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(parallax_flags INTERFACE -fprofile-instr-generate)
endif()
# UBSan's `function` check reads the bytes in front of the callee; compiled Wasm has none.  Last, so that it wins.
target_compile_options(parallax_flags INTERFACE -fno-sanitize=function)
target_link_options(parallax_flags INTERFACE -fno-sanitize=function)
