# Libraries from the distribution.  scripts/bootstrap installs all of them.
#
# Some distributions ship CMake packages, some only headers and archives; the targets named here exist in both cases:
#   fmt::fmt  xxHash  asmjit  Zydis  zstd  CLI11::CLI11  nlohmann_json::nlohmann_json  SQLite::SQLite3
#   GTest::gtest  GTest::gmock  GTest::gtest_main  benchmark::benchmark

# parallax_find_library(TARGET header library...): an imported target from a header and its libraries.
function(parallax_find_library target header)
  if(TARGET ${target})
    return()
  endif()
  find_path(PARALLAX_${target}_INCLUDE ${header})
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  if(NOT PARALLAX_${target}_INCLUDE)
    message(FATAL_ERROR "${header} not found; run scripts/bootstrap")
  endif()
  target_include_directories(${target} SYSTEM INTERFACE ${PARALLAX_${target}_INCLUDE})
  foreach(library ${ARGN})
    find_library(PARALLAX_${target}_${library} ${library})
    if(NOT PARALLAX_${target}_${library})
      message(FATAL_ERROR "lib${library} not found; run scripts/bootstrap")
    endif()
    target_link_libraries(${target} INTERFACE ${PARALLAX_${target}_${library}})
  endforeach()
endfunction()

if(PARALLAX_STATIC_LIBRARIES)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
endif()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(SQLite3 REQUIRED)
parallax_find_library(xxHash xxhash.h xxhash)
parallax_find_library(Zydis Zydis/Zydis.h Zydis)
parallax_find_library(zstd zstd.h zstd)
parallax_find_library(asmjit asmjit/core.h asmjit)
target_compile_definitions(asmjit INTERFACE ASMJIT_STATIC)
target_link_libraries(asmjit INTERFACE Threads::Threads rt)

if(PARALLAX_BUILD_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  find_package(benchmark)
endif()
