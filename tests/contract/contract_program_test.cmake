# modeldiff-contract as an author calls it: which laws it names when a plugin breaks them, and what it cannot check.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})

function(check)
  execute_process(COMMAND ${CONTRACT} ${ARGN} WORKING_DIRECTORY ${FOLDER} RESULT_VARIABLE code OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  set(code ${code} PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect expected_code)
  if(NOT code EQUAL expected_code)
    message(FATAL_ERROR "expected exit code ${expected_code}, got ${code}:\n${output}")
  endif()
  foreach(part IN LISTS ARGN)
    string(FIND "${output}" "${part}" found)
    if(found EQUAL -1)
      message(FATAL_ERROR "expected: ${part}\nfound: ${output}")
    endif()
  endforeach()
endfunction()

check(--plugin ${BROKEN}/forgetful.so)
expect(1 "evaluations 'forgetful' 1.0 on 1 case" "TEST CASE: the same request gives the same result" "1 failed")

file(WRITE ${FOLDER}/infinite.yaml "cases: [{plugin: forgetful, finite: false}]\n")
check(--plugin ${BROKEN}/forgetful.so --cases infinite.yaml)
expect(1 "TEST CASE: values are an object of finite numbers" [[{"finite":false]])

check(--plugin ${BROKEN}/careless.so)
expect(1 "TEST CASE: changed images have the same shape and stay in [0, 1], and some change"
         "TEST CASE: an image is changed in the same way alone and beside others"
         "TEST CASE: given examples and images are left as they are" "by the mean of the batch")

check(--plugin ${PLUGINS}/models/linear.so --list)
expect(0 "a stack answers as its models do one by one")

file(WRITE ${FOLDER}/wrong.yaml "cases: [{plugin: linear, bais: true}]\n")
check(--plugin ${PLUGINS}/models/linear.so --cases wrong.yaml)
expect(2 "wrong.yaml:1:26: error: unknown key 'bais'" "did you mean 'bias'?")

file(WRITE ${FOLDER}/other.yaml "cases: [mlp]\n")
check(--plugin ${PLUGINS}/models/linear.so --cases other.yaml)
expect(2 "must be of the plugin 'linear', one is of 'mlp'")

check(--plugin ${PLUGINS}/algorithms/sgd.so)
expect(2 "model")

check(--plugin ${CONTRACT})
expect(2 "is not a plugin")

check()
expect(2 "--plugin is required")
