# Installed and exported as package `tiffany`: a component for each library, so that who wants the hooks alone needs
# nothing of what reading logs needs.
#
#   find_package(tiffany 0.1 REQUIRED COMPONENTS telemetry)     pkg-config --cflags --libs tiffany-telemetry
#   target_link_libraries(my_runtime PRIVATE tiffany::telemetry)
#
# `cmake --install BUILD --component runtime` installs what running the programs needs; `devel` is the rest.

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tiffany")
set(plugin_dir "${CMAKE_INSTALL_LIBDIR}/babeltrace2/plugins")

# tiffany_install_library(COMPONENT [REQUIRES components...] [LIBS flags...] [PACKAGES pkg-config packages...]
# [PUBLIC_PACKAGES pkg-config packages...] [CFLAGS flags...]): the library, its headers, its part of the CMake package and
# its pkg-config file. LIBS, PACKAGES: what pkg-config must add for a static library; PUBLIC_PACKAGES: for any, because
# the headers need them.
function(tiffany_install_library component)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "REQUIRES;LIBS;PACKAGES;PUBLIC_PACKAGES;CFLAGS")
  set(target tiffany_${component})
  get_target_property(type ${target} TYPE)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${component})
  if(NOT type STREQUAL INTERFACE_LIBRARY)
    set_target_properties(${target} PROPERTIES VERSION "${PROJECT_VERSION}"
      SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}" INSTALL_RPATH "$ORIGIN")
  endif()
  install(TARGETS ${target} EXPORT tiffany-${component}
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT devel
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime NAMELINK_COMPONENT devel
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT devel)
  install(EXPORT tiffany-${component} NAMESPACE tiffany:: DESTINATION "${package_dir}" FILE tiffany-${component}.cmake
    COMPONENT devel)

  list(TRANSFORM arg_REQUIRES PREPEND tiffany- OUTPUT_VARIABLE pc_requires)
  list(APPEND pc_requires ${arg_PUBLIC_PACKAGES})
  set(pc_libs "")
  if(type STREQUAL STATIC_LIBRARY)
    list(JOIN arg_LIBS " " pc_libs)
    list(APPEND pc_requires ${arg_PACKAGES})
  endif()
  list(JOIN pc_requires " " pc_requires)
  if(NOT type STREQUAL INTERFACE_LIBRARY)
    string(PREPEND pc_libs "-ltiffany_${component} ")
  endif()
  list(JOIN arg_CFLAGS " " pc_cflags)
  set(pc_component ${component})
  # relative, so that what was installed may be moved
  file(RELATIVE_PATH pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/tiffany.pc.in" "${PROJECT_BINARY_DIR}/tiffany-${component}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/tiffany-${component}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
    COMPONENT devel)
endfunction()

tiffany_install_library(catalogue)
tiffany_install_library(pal_model REQUIRES catalogue)
tiffany_install_library(clock)
tiffany_install_library(telemetry_off REQUIRES clock pal_model CFLAGS -DTIFFANY_TELEMETRY=0)
if(TIFFANY_TELEMETRY)
  # the run path: the provider is found there, as in telemetry's own CMakeLists.txt
  tiffany_install_library(telemetry REQUIRES clock pal_model LIBS -ldl -pthread -Wl,-rpath,\${libdir} PACKAGES libzstd)
else()
  tiffany_install_library(telemetry REQUIRES telemetry_off)
endif()
tiffany_install_library(pal REQUIRES pal_model LIBS -lsimdjson -lzstd -pthread)
tiffany_install_library(analysis REQUIRES pal)
if(TIFFANY_METRICS_LIBRARY)
  tiffany_install_library(metrics REQUIRES telemetry PACKAGES prometheus-cpp-core libmicrohttpd)
endif()
tiffany_install_library(scheduler REQUIRES telemetry)
if(TIFFANY_ASIO)
  tiffany_install_library(asio REQUIRES telemetry CFLAGS "-include tiffany/adapters/detail/asio_tracked.hpp")
endif()
if(TIFFANY_TBB)
  tiffany_install_library(tbb REQUIRES telemetry PUBLIC_PACKAGES tbb)
endif()
if(TARGET tiffany_testing)
  tiffany_install_library(testing REQUIRES telemetry pal PUBLIC_PACKAGES gmock)
endif()

# in a folder where find_package does not look: with build/release/bin in PATH it would take the build for a package
set(package_files "${PROJECT_BINARY_DIR}/package-files")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/tiffany-config.cmake.in"
  "${package_files}/tiffany-config.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${package_files}/tiffany-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${package_files}/tiffany-config.cmake" "${package_files}/tiffany-config-version.cmake"
  DESTINATION "${package_dir}" COMPONENT devel)

# what bpftrace includes
install(FILES "${PROJECT_BINARY_DIR}/generated/tiffany/tracepoints/tiffany_bpf.h"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/tiffany/tracepoints" COMPONENT devel)
# its scripts, which find that header three folders up
install(DIRECTORY tools/bpftrace DESTINATION "${CMAKE_INSTALL_DATADIR}/tiffany" USE_SOURCE_PERMISSIONS COMPONENT devel)

# what operators load into Prometheus and Grafana
if(TIFFANY_METRICS_LIBRARY)
  install(DIRECTORY tools/prometheus tools/grafana DESTINATION "${CMAKE_INSTALL_DATADIR}/tiffany" COMPONENT runtime)
endif()

if(TIFFANY_LTTNG)
  install(TARGETS tiffany_lttng LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime)
endif()
if(TIFFANY_TOOLS)
  file(RELATIVE_PATH from_bin "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
  set(programs paltrace)
  if(TIFFANY_METRICS_LIBRARY)
    list(APPEND programs tiffany-demo)
  endif()
  set_target_properties(${programs} PROPERTIES INSTALL_RPATH "$ORIGIN/${from_bin}")
  set_target_properties(tiffany_babeltrace_plugin PROPERTIES INSTALL_RPATH "$ORIGIN/../..")
  install(TARGETS ${programs} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT runtime)
  # babeltrace2 looks here by itself when the prefix is its own
  install(TARGETS tiffany_babeltrace_plugin LIBRARY DESTINATION "${plugin_dir}" COMPONENT runtime)
endif()
install(FILES LICENSE README.md SECURITY.md DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT runtime)
install(DIRECTORY docs examples DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT devel)  # what the readme links to
