# modeldiff_write_sdk_digest(<file> <folder>...): a header whose MODELDIFF_SDK_DIGEST changes with every header in the
# folders. It is part of the tag that the program compares before it loads a plugin: one that was built with other
# headers would call through tables of another shape.
function(modeldiff_write_sdk_digest file)
  set(all "")
  foreach(folder IN LISTS ARGN)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${folder} ${folder}/*.h)
    list(SORT headers)
    foreach(header IN LISTS headers)
      file(SHA256 ${folder}/${header} digest)
      string(APPEND all "${header} ${digest}\n")
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${folder}/${header})
    endforeach()
  endforeach()
  string(SHA256 digest "${all}")
  string(SUBSTRING ${digest} 0 12 digest)
  file(CONFIGURE OUTPUT ${file} CONTENT "#pragma once\n\n#define MODELDIFF_SDK_DIGEST \"@digest@\"\n" @ONLY)
endfunction()
