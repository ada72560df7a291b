# Configures and builds a small project that calls modeldiff_add_plugin(), and projects that call it wrongly.
function(configure call)
  file(REMOVE_RECURSE ${FOLDER})
  file(WRITE ${FOLDER}/CMakeLists.txt "
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
include(${FUNCTION})
if(NOT NO_PACKAGE)
  add_library(modeldiff::sdk INTERFACE IMPORTED)
  target_compile_features(modeldiff::sdk INTERFACE cxx_std_20)
  target_include_directories(modeldiff::sdk SYSTEM INTERFACE ${INCLUDE})
  target_link_libraries(modeldiff::sdk INTERFACE ${CORE})
  add_executable(modeldiff::manifest IMPORTED)
  set_target_properties(modeldiff::manifest PROPERTIES IMPORTED_LOCATION ${MANIFEST})
endif()
${call}
")
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${FOLDER} -B ${FOLDER}/build -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX} ${ARGN}
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  # CMake breaks long messages into lines.
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  set(result ${result} PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect_refusal call sentence)
  configure("${call}" ${ARGN})
  string(FIND "${output}" "${sentence}" found)
  if(result EQUAL 0 OR found EQUAL -1)
    message(FATAL_ERROR "${call}\n  expected: ${sentence}\n  found: ${output}")
  endif()
endfunction()

function(expect_text file)
  file(READ ${file} text)
  foreach(part IN LISTS ARGN)
    string(FIND "${text}" "${part}" found)
    if(found EQUAL -1)
      message(FATAL_ERROR "${file} lacks ${part}:\n${text}")
    endif()
  endforeach()
endfunction()

function(build expected_result)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${FOLDER}/build RESULT_VARIABLE result OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if((expected_result EQUAL 0 AND NOT result EQUAL 0) OR (NOT expected_result EQUAL 0 AND result EQUAL 0))
    message(FATAL_ERROR "the build ended with ${result}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

expect_refusal("modeldiff_add_plugin(optimizers x SOURCES x.cpp)"
  "modeldiff_add_plugin(optimizers x): there is no plugin kind 'optimizers'; the kinds are datasets, models, algorithms, attributors, proposers, evaluations")
expect_refusal("modeldiff_add_plugin(attributors x)" "modeldiff_add_plugin(attributors x): SOURCES are missing")
expect_refusal("modeldiff_add_plugin(attributors x x.cpp SOURCES y.cpp)"
  "modeldiff_add_plugin(attributors x): 'x.cpp' follows neither SOURCES nor LINK")
expect_refusal("modeldiff_add_plugin(attributors My-Plugin SOURCES x.cpp)"
  "a plugin's name is lower-case letters, digits and '_', and starts with a letter")
expect_refusal("modeldiff_add_plugin(attributors x SOURCES x.cpp)" "call find_package(modeldiff) first" -DNO_PACKAGE=ON)

configure("modeldiff_add_plugin(attributors good SOURCES ${SOURCE}/libraries/good_source.cpp)")
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${output}")
endif()
build(0)
set(library ${FOLDER}/build/plugins/attributors/good.so)
execute_process(COMMAND objcopy -O binary --only-section .modeldiff --set-section-flags .modeldiff=alloc ${library} ${FOLDER}/section
                COMMAND_ERROR_IS_FATAL ANY)
expect_text(${FOLDER}/section [["kind": "attributors"]] [["name": "good"]] [["build_id": "]] [["size"]])
# It is still a library that loads, and relinking leaves one manifest.
execute_process(COMMAND ${MANIFEST} ${library} OUTPUT_FILE ${FOLDER}/again COMMAND_ERROR_IS_FATAL ANY)
expect_text(${FOLDER}/again [["kind": "attributors"]] [["build_id": "]])
file(REMOVE ${library})
build(0)
execute_process(COMMAND objdump -h ${library} OUTPUT_VARIABLE sections COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[.]modeldiff" manifests "${sections}")
list(LENGTH manifests count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "expected one section, found:\n${sections}")
endif()

# A function that is nowhere defined must fail where the author sees it.
configure("modeldiff_add_plugin(attributors missing_function SOURCES ${SOURCE}/libraries/missing_function.cpp)")
build(1)
if(NOT output MATCHES "function_that_is_nowhere")
  message(FATAL_ERROR "the linker does not name the missing function:\n${output}")
endif()
