# What `cmake --install` puts somewhere: the runtime as one static library, its headers, and a package for find_package.
#
#   include/wasm.h parallax_c.h parallax_gc.h     the C API
#   include/parallax/engine/...                   the C++ API, included as in the source tree
#   lib/libparallax.a  lib/cmake/Parallax/        Parallax::engine
#
# The library is the objects of the units below api; fuzzing, triage and the command line are not part of it.
if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(units api jit interp opt ir runtime gc slab wasm_text wasm base)
set(objects)
foreach(unit ${units})
  list(APPEND objects $<TARGET_OBJECTS:parallax_${unit}>)
endforeach()
add_library(parallax_engine STATIC ${objects})
set_target_properties(parallax_engine PROPERTIES OUTPUT_NAME parallax LINKER_LANGUAGE CXX)
target_link_libraries(parallax_engine PRIVATE parallax_flags)

install(TARGETS parallax_engine ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT parallax)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine/api/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT parallax)
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/parallax/engine)
install(FILES ${PROJECT_SOURCE_DIR}/engine/api/parallax.h ${PROJECT_SOURCE_DIR}/engine/api/executors.h
    DESTINATION ${headers}/api COMPONENT parallax)
install(FILES ${PROJECT_SOURCE_DIR}/engine/runtime/options.h DESTINATION ${headers}/runtime COMPONENT parallax)
install(FILES ${PROJECT_SOURCE_DIR}/engine/gc/options.h ${PROJECT_SOURCE_DIR}/engine/gc/zeal.def
    DESTINATION ${headers}/gc COMPONENT parallax)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine/base/ DESTINATION ${headers}/base COMPONENT parallax
    FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine/wasm/ DESTINATION ${headers}/wasm COMPONENT parallax
    FILES_MATCHING PATTERN "*.h" PATTERN "*.def"
    PATTERN "text" EXCLUDE PATTERN "edit" EXCLUDE PATTERN "rules" EXCLUDE)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Parallax)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/ParallaxConfig.cmake.in
    ${CMAKE_CURRENT_BINARY_DIR}/ParallaxConfig.cmake INSTALL_DESTINATION ${package}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/ParallaxConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ParallaxConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ParallaxConfigVersion.cmake
    DESTINATION ${package} COMPONENT parallax)
