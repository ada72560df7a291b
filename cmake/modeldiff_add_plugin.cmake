# modeldiff_add_plugin(<kind> <name> [FOLDER <folder>] SOURCES <file>... [LINK <target>...])
#   modeldiff_add_plugin(attributors source SOURCES source.cpp segments.cpp)
# One plugin library <build>/plugins/<kind>/<name>.so, target <kind>_<name>; with FOLDER it is <folder>/<name>.so and is
# not installed, as tests need it. After linking, its manifest is read from it and stored in its section `.modeldiff`,
# so that a program can look at the plugin without loading it. The same function serves the tree and projects that say
# find_package(modeldiff).
include(GNUInstallDirs)

function(modeldiff_add_plugin kind name)
  set(kinds datasets models algorithms attributors proposers evaluations)
  set(call "modeldiff_add_plugin(${kind} ${name})")
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "FOLDER" "SOURCES;LINK")
  if(NOT kind IN_LIST kinds)
    list(JOIN kinds ", " known)
    message(FATAL_ERROR "${call}: there is no plugin kind '${kind}'; the kinds are ${known}")
  endif()
  if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
    message(FATAL_ERROR "${call}: a plugin's name is lower-case letters, digits and '_', and starts with a letter")
  endif()
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "${call}: SOURCES are missing")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${call}: '${arg_UNPARSED_ARGUMENTS}' follows neither SOURCES nor LINK")
  endif()
  if(NOT TARGET modeldiff::sdk AND NOT modeldiff_FOUND AND NOT PROJECT_NAME STREQUAL "modeldiff")
    message(FATAL_ERROR "${call}: call find_package(modeldiff) first")
  endif()
  if(NOT CMAKE_OBJCOPY)
    message(FATAL_ERROR "${call}: objcopy (binutils) is needed to store the manifest, and was not found")
  endif()

  set(folder ${PROJECT_BINARY_DIR}/plugins/${kind})
  if(arg_FOLDER)
    set(folder ${arg_FOLDER})
  endif()
  set(target ${kind}_${name})
  add_library(${target} MODULE ${arg_SOURCES})
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name} SUFFIX .so DEFINE_SYMBOL ""
    LIBRARY_OUTPUT_DIRECTORY ${folder}
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON
    INSTALL_RPATH "$ORIGIN/../../..;${MODELDIFF_TORCH_LIBRARY_FOLDER}")
  target_link_libraries(${target} PRIVATE modeldiff::sdk ${arg_LINK})
  if(TARGET modeldiff::build_options)
    target_link_libraries(${target} PRIVATE modeldiff::build_options)
  endif()
  # A symbol that is nowhere defined must fail here, not in the middle of someone's experiment. The build id tells two
  # builds of one version apart.
  target_link_options(${target} PRIVATE -Wl,-z,defs -Wl,--build-id)
  if(TARGET modeldiff_pch)
    modeldiff_torch_target(${target})
  endif()

  set(manifest ${CMAKE_CURRENT_BINARY_DIR}/${target}.manifest.json)
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND modeldiff::manifest $<TARGET_FILE:${target}> ${manifest}
    COMMAND ${CMAKE_OBJCOPY} --remove-section .modeldiff --add-section .modeldiff=${manifest}
            --set-section-flags .modeldiff=noload,readonly $<TARGET_FILE:${target}>
    BYPRODUCTS ${manifest}
    COMMENT "Storing the manifest of ${kind}/${name}" VERBATIM)
  add_dependencies(${target} modeldiff::manifest)

  if(NOT arg_FOLDER)
    install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/modeldiff/plugins/${kind})
  endif()
endfunction()
