# docs/configuration.md ends with what `modeldiff schema --markdown` prints.
# cmake -DMODELDIFF=<program> -DDOCUMENT=<file> -P configuration_reference.cmake
execute_process(COMMAND ${MODELDIFF} schema --markdown OUTPUT_VARIABLE printed RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "modeldiff schema --markdown ended with ${code}")
endif()
file(READ ${DOCUMENT} document)
string(FIND "${document}" "## Sections of an experiment file" begin)
if(begin EQUAL -1)
  message(FATAL_ERROR "${DOCUMENT} has no part '## Sections of an experiment file'")
endif()
string(SUBSTRING "${document}" ${begin} -1 reference)
if(NOT reference STREQUAL printed)
  file(WRITE configuration.printed.md "${printed}")
  message(FATAL_ERROR "${DOCUMENT} is behind the schemas: replace its reference by what this prints: "
                      "modeldiff schema --markdown")
endif()
