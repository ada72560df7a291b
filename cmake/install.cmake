# cmake --install: programs, plugins, and the package that plugins outside of the tree are built with. Installed files
# find each other by their place, so a prefix may be moved; torch stays where it was found.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/modeldiff)
set(programs modeldiff modeldiff-contract modeldiff-manifest modeldiff-worker)
set(libraries modeldiff_core modeldiff_sdk)

set_target_properties(${programs} PROPERTIES INSTALL_RPATH
                      "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${MODELDIFF_TORCH_LIBRARY_FOLDER}")
set_target_properties(${libraries} PROPERTIES INSTALL_RPATH "$ORIGIN;${MODELDIFF_TORCH_LIBRARY_FOLDER}")
set_target_properties(modeldiff PROPERTIES EXPORT_NAME program)
set_target_properties(modeldiff_fmt PROPERTIES EXPORT_NAME fmt)
set_target_properties(modeldiff_torch PROPERTIES EXPORT_NAME torch)

install(TARGETS ${programs} ${libraries} modeldiff_fmt modeldiff_torch EXPORT modeldiffTargets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY framework/core/include/ framework/sdk/include/ ${PROJECT_BINARY_DIR}/framework/core/include/
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY experiments DESTINATION ${CMAKE_INSTALL_DATADIR}/modeldiff)
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/modeldiff OPTIONAL)

install(EXPORT modeldiffTargets NAMESPACE modeldiff:: DESTINATION ${package_folder})
configure_package_config_file(cmake/modeldiffConfig.cmake.in modeldiffConfig.cmake INSTALL_DESTINATION ${package_folder}
                              NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(modeldiffConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/modeldiffConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/modeldiffConfigVersion.cmake
              cmake/modeldiff_add_contract_test.cmake cmake/modeldiff_add_plugin.cmake
        DESTINATION ${package_folder})
