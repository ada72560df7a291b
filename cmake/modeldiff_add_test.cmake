# modeldiff_add_test(<name> SOURCES <file>... [LINK <target>...] [LABELS <label>...] [TIMEOUT <seconds>])
# One doctest program tests/<name>; its label is `fast` unless others are named. It runs in the source folder's
# build counterpart, with MODELDIFF_SOURCE_DIR defined for fixtures.
find_package(doctest REQUIRED)

if(NOT TARGET modeldiff_doctest_main)
  file(WRITE ${PROJECT_BINARY_DIR}/doctest_main.cpp
       "#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n")
  add_library(modeldiff_doctest_main STATIC ${PROJECT_BINARY_DIR}/doctest_main.cpp)
  target_link_libraries(modeldiff_doctest_main PUBLIC doctest::doctest modeldiff_build_options)
endif()

function(modeldiff_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LINK;LABELS")
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "modeldiff_add_test(${name}): SOURCES are missing")
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS fast)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE modeldiff_doctest_main modeldiff::build_options ${arg_LINK})
  target_compile_definitions(${name} PRIVATE MODELDIFF_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             MODELDIFF_BUILD_DIR="${PROJECT_BINARY_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  # One thread, as in a worker: the order of sums, and so the last bits, hang on it.
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
                                          ENVIRONMENT "OMP_NUM_THREADS=1;MKL_NUM_THREADS=1")
endfunction()
