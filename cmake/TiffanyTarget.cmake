# tiffany_target(NAME): the settings that every target of ours shares; all of them private to the target.
function(tiffany_target name)
  target_compile_features(${name} PUBLIC cxx_std_20)
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wnon-virtual-dtor
    -Woverloaded-virtual
    # g++ 12 sees overlaps in std::string's own code (GCC bug 105329)
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
    $<$<BOOL:${TIFFANY_WERROR}>:-Werror>)
endfunction()

# tiffany_compiled_fast(FILES...): not optimised in a release build. For files that read a command line or write one
# document with CLI11 or nlohmann-json: headers alone, whose optimisation takes half of such a file's compile time, and
# what is made of them runs once.
function(tiffany_compiled_fast)
  set_source_files_properties(${ARGV} PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-O0>")
endfunction()
