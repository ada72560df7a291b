# A new plugin of one kind: made, built against the installed package, tested, used.
set(name made_outside)
file(REMOVE_RECURSE ${FOLDER})
execute_process(COMMAND ${PREFIX}/bin/modeldiff new plugin ${KIND} ${name} --into ${FOLDER} COMMAND_ERROR_IS_FATAL ANY)
set(source ${FOLDER}/${name})
set(build ${source}/build)

# Nothing of the template's own name may be left.
file(GLOB files ${source}/*)
foreach(file IN LISTS files)
  file(READ ${file} text)
  if(text MATCHES "my_|MyPlugin")
    message(FATAL_ERROR "${file} still says '${CMAKE_MATCH_0}'")
  endif()
endforeach()
file(STRINGS ${source}/experiment.yaml first_line LIMIT_COUNT 1)
if(NOT first_line STREQUAL "# yaml-language-server: $schema=build/experiment.schema.json")
  message(FATAL_ERROR "experiment.yaml begins with ${first_line}")
endif()

execute_process(COMMAND ${CMAKE_COMMAND} -S ${source} -B ${build} -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${PREFIX}
                        -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
                        "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror"
                OUTPUT_QUIET ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${build} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${build} --output-on-failure --no-tests=error
                OUTPUT_VARIABLE tests COMMAND_ERROR_IS_FATAL ANY)
if(NOT tests MATCHES "100% tests passed, 0 tests failed out of 2")
  message(FATAL_ERROR "expected two tests to pass:\n${tests}")
endif()

execute_process(COMMAND ${PREFIX}/bin/modeldiff describe ${KIND} ${name} --plugin-path ${build}/plugins
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(READ ${build}/experiment.schema.json schema)
string(FIND "${schema}" "\"${name}\"" found)
if(found EQUAL -1)
  message(FATAL_ERROR "experiment.schema.json does not know ${name}")
endif()

# A plugin in development: what an earlier build of it made is made again, and nothing else.
if(KIND STREQUAL "evaluations")
  function(count_missing out)
    execute_process(COMMAND ${PREFIX}/bin/modeldiff plan ${source}/experiment.yaml --json --store ${build}/store
                            --plugin-path ${build}/plugins
                    OUTPUT_VARIABLE plan COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCHALL "\"there\": false" missing "${plan}")
    list(LENGTH missing count)
    set(${out} ${count} PARENT_SCOPE)
  endfunction()
  execute_process(COMMAND ${PREFIX}/bin/modeldiff run ${source}/experiment.yaml --quiet --store ${build}/store
                          --out ${build}/results --plugin-path ${build}/plugins
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  count_missing(before)
  file(READ ${source}/${name}.cpp code)
  string(REPLACE "How sure" "How very sure" code "${code}")
  file(WRITE ${source}/${name}.cpp "${code}")
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${build} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  count_missing(after)
  # The evaluation, and the checks before training that name it.
  if(NOT before EQUAL 0 OR NOT after EQUAL 2)
    message(FATAL_ERROR "cells to make: ${before} before the plugin's code changed, ${after} after it; expected 0 and 2")
  endif()
endif()
