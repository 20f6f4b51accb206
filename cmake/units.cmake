# How a folder becomes a library and its tests.
#
#   parallax_unit(NAME [DEPS unit...] [LIBS target...] [TEST_DEPS unit...])
#     *.cc below this folder     -> static library parallax_NAME (an interface library when there is none)
#     *_test.cc below this folder -> GoogleTest executable test_NAME, each test registered with ctest
#     binaryen_*.cc               -> compiled like Binaryen (no RTTI, its include paths)
#   parallax_executable(NAME DEPS unit... LIBS target... SOURCES file...)
#   parallax_fuzz_target(NAME SOURCES file... DEPS unit...)     -> executable fuzz_NAME
#   parallax_test(NAME SOURCES file... DEPS unit...)            -> executable test_NAME, registered with ctest
#
# Dependencies are names of units; a unit that does not exist (yet) is skipped, so order does not matter.

set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set_property(GLOBAL PROPERTY PARALLAX_UNITS "")

function(parallax_link target visibility)
  foreach(unit ${ARGN})
    target_link_libraries(${target} ${visibility} $<TARGET_NAME_IF_EXISTS:parallax_${unit}>)
  endforeach()
endfunction()

function(parallax_binaryen_sources)
  if(PARALLAX_HAVE_BINARYEN)
    foreach(source ${ARGN})
      get_filename_component(name ${source} NAME)
      if(name MATCHES "^binaryen_.*[.]cc$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${PARALLAX_BINARYEN_COMPILE_OPTIONS}")
      endif()
    endforeach()
  endif()
endfunction()

function(parallax_register_tests target)
  gtest_discover_tests(${target}
      TEST_PREFIX "${target}/" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} PROPERTIES TIMEOUT 300)
endfunction()

function(parallax_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  if(NOT PARALLAX_BUILD_TESTS)
    return()
  endif()
  add_executable(test_${name} ${ARG_SOURCES})
  parallax_binaryen_sources(${ARG_SOURCES})
  target_link_libraries(test_${name} PRIVATE parallax_flags ${ARG_LIBS} GTest::gmock GTest::gtest GTest::gtest_main)
  parallax_link(test_${name} PRIVATE ${ARG_DEPS})
  parallax_register_tests(test_${name})
endfunction()

function(parallax_unit name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;TEST_DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  # A folder below with its own CMakeLists.txt is a unit of its own.
  file(GLOB_RECURSE nested ${CMAKE_CURRENT_SOURCE_DIR}/*/CMakeLists.txt)
  foreach(inner ${nested})
    get_filename_component(inner ${inner} DIRECTORY)
    list(FILTER sources EXCLUDE REGEX "^${inner}/")
  endforeach()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test[.]cc$")
  list(FILTER tests INCLUDE REGEX "_test[.]cc$")

  if(sources)
    add_library(parallax_${name} STATIC ${sources})
    parallax_binaryen_sources(${sources})
    set(visibility PUBLIC)
  else()
    add_library(parallax_${name} INTERFACE)
    set(visibility INTERFACE)
  endif()
  target_link_libraries(parallax_${name} ${visibility} parallax_flags ${ARG_LIBS})
  parallax_link(parallax_${name} ${visibility} ${ARG_DEPS})
  set_property(GLOBAL APPEND PROPERTY PARALLAX_UNITS ${name})

  if(tests)
    parallax_test(${name} SOURCES ${tests} DEPS ${name} ${ARG_TEST_DEPS})
  endif()
endfunction()

function(parallax_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  parallax_binaryen_sources(${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE parallax_flags ${ARG_LIBS})
  parallax_link(${name} PRIVATE ${ARG_DEPS})
endfunction()

# With a fuzzing engine (preset fuzz, or LIB_FUZZING_ENGINE) the engine brings main(); otherwise the target runs the
# files it is given, which is what a crash file, a debugger and the tests want.
function(parallax_fuzz_target name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  parallax_executable(fuzz_${name} SOURCES ${ARG_SOURCES} DEPS ${ARG_DEPS} LIBS ${ARG_LIBS})
  if(PARALLAX_FUZZING_ENGINE)
    separate_arguments(engine UNIX_COMMAND "${PARALLAX_FUZZING_ENGINE}")
    target_link_libraries(fuzz_${name} PRIVATE ${engine})
  else()
    target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/fuzz/targets/support/standalone_main.cc)
  endif()
  set_property(GLOBAL APPEND PROPERTY PARALLAX_FUZZ_TARGETS fuzz_${name})
endfunction()

# Called once at the end: collective targets and a closing word about what this configuration contains.
function(parallax_finish)
  # What a program that embeds the engine links: add_subdirectory(parallax), parallax::engine, engine/api/parallax.h.
  if(TARGET parallax_api)
    add_library(parallax::engine ALIAS parallax_api)
  endif()
  get_property(targets GLOBAL PROPERTY PARALLAX_FUZZ_TARGETS)
  if(targets)
    add_custom_target(fuzz_targets DEPENDS ${targets})
  endif()
  if(PARALLAX_HAVE_BINARYEN)
    message(STATUS "Parallax: Binaryen ${PARALLAX_BINARYEN_DIR}")
  else()
    message(STATUS "Parallax: without Binaryen (its generator and interpreter are missing; scripts/bootstrap builds it)")
  endif()
endfunction()
