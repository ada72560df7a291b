# Installs, and sees that the prefix needs neither the build tree nor its place: it is moved before it is used.
file(REMOVE_RECURSE ${PREFIX} ${PREFIX}.first)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX}.first
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${PREFIX}.first ${PREFIX})

file(GLOB programs ${PREFIX}/bin/*)
file(GLOB_RECURSE libraries ${PREFIX}/${LIBDIR}/*.so)
foreach(file IN LISTS programs libraries)
  execute_process(COMMAND readelf -d ${file} OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
  foreach(folder IN ITEMS ${BUILD}/lib ${PREFIX}.first)
    string(FIND "${dynamic}" "${folder}" found)
    if(NOT found EQUAL -1)
      message(FATAL_ERROR "${file} looks for libraries in ${folder}:\n${dynamic}")
    endif()
  endforeach()
endforeach()

# Another LibTorch than the program's is refused, with both named.
file(WRITE ${PREFIX}.torch/TorchConfig.cmake "")
file(WRITE ${PREFIX}.torch/TorchConfigVersion.cmake
     "set(PACKAGE_VERSION 1.13.0)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n")
file(WRITE ${PREFIX}.torch/CMakeLists.txt
     "cmake_minimum_required(VERSION 3.25)\nproject(other LANGUAGES NONE)\nfind_package(modeldiff REQUIRED)\n")
execute_process(COMMAND ${CMAKE_COMMAND} -S ${PREFIX}.torch -B ${PREFIX}.torch/build -DCMAKE_PREFIX_PATH=${PREFIX}
                        -DTorch_DIR=${PREFIX}.torch
                RESULT_VARIABLE code OUTPUT_QUIET ERROR_VARIABLE output)
string(REGEX REPLACE "[ \n]+" " " output "${output}")
if(code EQUAL 0 OR NOT output MATCHES "it was built with LibTorch .* but LibTorch 1.13.0 was found")
  message(FATAL_ERROR "another LibTorch was not refused:\n${output}")
endif()

execute_process(COMMAND ${PREFIX}/bin/modeldiff --json describe OUTPUT_VARIABLE plugins COMMAND_ERROR_IS_FATAL ANY)
string(JSON count LENGTH "${plugins}")
file(GLOB built ${PREFIX}/${LIBDIR}/modeldiff/plugins/*/*.so)
list(LENGTH built installed)
if(count EQUAL 0 OR NOT count EQUAL installed)
  message(FATAL_ERROR "${installed} plugins were installed, the program finds ${count}")
endif()
execute_process(COMMAND ${PREFIX}/bin/modeldiff check ${PREFIX}/share/modeldiff/experiments/quickstart.yaml
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
