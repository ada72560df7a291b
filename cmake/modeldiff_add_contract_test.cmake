# modeldiff_add_contract_test(<kind> <name> [CASES <file>] [ARGUMENTS <argument>...])
#   modeldiff_add_contract_test(algorithms mine CASES contract.yaml)
# The test contract.<kind>.<name>: whether the plugin keeps the laws of its kind, on the cases of the file; without one
# on its defaults. The same function serves the tree and projects that say find_package(modeldiff).
function(modeldiff_add_contract_test kind name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "CASES" "ARGUMENTS")
  set(call "modeldiff_add_contract_test(${kind} ${name})")
  if(NOT TARGET ${kind}_${name})
    message(FATAL_ERROR "${call}: call modeldiff_add_plugin(${kind} ${name} ...) first")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${call}: '${arg_UNPARSED_ARGUMENTS}' follows neither CASES nor ARGUMENTS")
  endif()
  set(command $<TARGET_FILE:modeldiff::contract> --plugin $<TARGET_FILE:${kind}_${name}>)
  if(arg_CASES)
    cmake_path(ABSOLUTE_PATH arg_CASES BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    list(APPEND command --cases ${arg_CASES})
  endif()
  set(test contract.${kind}.${name})
  add_test(NAME ${test} COMMAND ${command} ${arg_ARGUMENTS})
  # One thread, as in a worker; on 77 the data that a case names are not on this machine.
  set_tests_properties(${test} PROPERTIES LABELS "fast;contract" TIMEOUT 120 SKIP_RETURN_CODE 77
                                          ENVIRONMENT "OMP_NUM_THREADS=1;MKL_NUM_THREADS=1")
endfunction()
