# Binaryen, if scripts/bootstrap has built it: imported target binaryen::min and PARALLAX_HAVE_BINARYEN.
#
# It lives in a cache outside the build folders (see scripts/bootstrap).  It is compiled without RTTI, and its include
# root holds generic names (wasm.h, support/...), so only files called binaryen_*.cc see it: parallax_unit() gives these
# files PARALLAX_BINARYEN_COMPILE_OPTIONS.  Linking binaryen::min adds the archive alone.  The macro
# PARALLAX_HAVE_BINARYEN (0 or 1) is defined everywhere; everything builds without Binaryen.
#
#   extern size_t wasm::parallaxGCWeight        weight of accesses and casts in its generator (1: as upstream; 8: much GC)
#   void wasm::FuzzParams::setDefaults()        may be defined by us: our definition is found before the archive's

set(PARALLAX_HAVE_BINARYEN 0)
option(PARALLAX_BINARYEN "Use Binaryen when it is there" ON)

file(SHA256 ${PROJECT_SOURCE_DIR}/cmake/binaryen/CMakeLists.txt recipe_hash)
string(SUBSTRING ${recipe_hash} 0 12 recipe_hash)
file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/binaryen/CMakeLists.txt binaryen_version REGEX "^set.BINARYEN_VERSION ")
string(REGEX MATCH "[0-9]+" binaryen_version "${binaryen_version}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/binaryen/CMakeLists.txt)
if(DEFINED ENV{PARALLAX_CACHE})
  set(binaryen_cache $ENV{PARALLAX_CACHE})
else()
  set(binaryen_cache $ENV{HOME}/.cache/parallax)
endif()
set(PARALLAX_BINARYEN_DIR ${binaryen_cache}/binaryen-${binaryen_version}-${recipe_hash})

if(PARALLAX_BINARYEN AND EXISTS ${PARALLAX_BINARYEN_DIR}/lib/libbinaryen_min.a)
  set(PARALLAX_HAVE_BINARYEN 1)
  set(PARALLAX_BINARYEN_COMPILE_OPTIONS
      -fno-rtti
      # OSS-Fuzz asks for it by name, which Clang refuses without RTTI.
      -fno-sanitize=vptr
      # Its headers hold vectors of unique_ptr to incomplete classes, which C++23's constexpr unique_ptr does not admit.
      -D_GLIBCXX23_CONSTEXPR=
      -isystem ${PARALLAX_BINARYEN_DIR}/include/binaryen
      -isystem ${PARALLAX_BINARYEN_DIR}/include/binaryen/passes
      -isystem ${PARALLAX_BINARYEN_DIR}/include/FP16)
  add_library(binaryen::min INTERFACE IMPORTED GLOBAL)
  target_link_libraries(binaryen::min INTERFACE ${PARALLAX_BINARYEN_DIR}/lib/libbinaryen_min.a Threads::Threads)
endif()
target_compile_definitions(parallax_flags INTERFACE PARALLAX_HAVE_BINARYEN=${PARALLAX_HAVE_BINARYEN})
