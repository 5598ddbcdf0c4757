# tiffany_target(NAME): the settings that every target of ours shares; all of them private to the target.
function(tiffany_target name)
  target_compile_features(${name} PUBLIC cxx_std_20)
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wnon-virtual-dtor
    -Woverloaded-virtual
    # g++ 12 sees overlaps in std::string's own code (GCC bug 105329)
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
    # in a unity build a file is no longer the main one, where g++ does not mind it
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>>:-Wno-subobject-linkage>
    $<$<BOOL:${TIFFANY_WERROR}>:-Werror>)
endfunction()

# tiffany_compiled_fast(TARGET [LEVEL]): not optimised in a release build, or to LEVEL. For code that runs once, where
# optimising takes most of the compile time: tests, and what reads a command line or writes one document with CLI11 or
# nlohmann-json. Of a function of the standard library that several objects hold the linker takes the first object's: a
# program whose libraries are to be fast is compiled at 1.
function(tiffany_compiled_fast target)
  set(level 0)
  if(ARGC GREATER 1)
    set(level ${ARGV1})
  endif()
  target_compile_options(${target} PRIVATE "$<$<CONFIG:Release>:-O${level}>")
endfunction()

# tiffany_lttng_provider(TARGET): it expands LTTng's macros, which are C that became C++.
function(tiffany_lttng_provider target)
  # LTTng finds its tracepoints by the bounds of a section that nothing refers to: lld would drop it (no tracepoint left)
  target_link_options(${target} PRIVATE -Wl,--no-gc-sections)
  target_compile_options(${target} PRIVATE -Wno-pedantic -Wno-conversion -Wno-sign-conversion -Wno-undef -Wno-shadow
    -Wno-unused-const-variable -Wno-missing-field-initializers)
endfunction()
