# SPDX-License-Identifier: MIT
# What `cmake --install` and cpack put where. All paths are relative to the prefix, which may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(AOTC_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/aotc)

# ---- made of the table of the command line ---------------------------------------------------------------

set(share ${CMAKE_BINARY_DIR}/share)
set(pages)
function(aotc_page file)
    add_custom_command(OUTPUT ${share}/${file}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${share}
        COMMAND aotc ${ARGN} > ${share}/${file}
        DEPENDS aotc VERBATIM)
    set(pages ${pages} ${share}/${file} PARENT_SCOPE)
endfunction()
aotc_page(aotc.1 --man)
aotc_page(aotc.bash --completion=bash)
aotc_page(_aotc --completion=zsh)
add_custom_target(aotc_pages ALL DEPENDS ${pages})

install(FILES ${share}/aotc.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${share}/aotc.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME aotc)
install(FILES ${share}/_aotc DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

# ---- programs, libraries, header -------------------------------------------------------------------------

set_target_properties(aotrt_shared PROPERTIES EXPORT_NAME aotrt)
install(TARGETS aotc aotrt_shared aotrt_static EXPORT aotcTargets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES runtime-stub/aot.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(AOT_JAVA_LIBRARY)
    install(FILES ${AOT_JAVA_LIBRARY} DESTINATION ${CMAKE_INSTALL_DATADIR}/java)
endif()
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")

# ---- for find_package and pkg-config ---------------------------------------------------------------------

install(EXPORT aotcTargets NAMESPACE aotc:: DESTINATION ${AOTC_CMAKE_DIR})
configure_package_config_file(cmake/aotcConfig.cmake.in ${CMAKE_BINARY_DIR}/aotcConfig.cmake
    INSTALL_DESTINATION ${AOTC_CMAKE_DIR})
# A cross compiling project, of other pointers perhaps, uses the program aotc of this machine.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/aotcConfigVersion.cmake
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_BINARY_DIR}/aotcConfig.cmake ${CMAKE_BINARY_DIR}/aotcConfigVersion.cmake cmake/aotcModel.cmake
    DESTINATION ${AOTC_CMAKE_DIR})
file(RELATIVE_PATH AOTC_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/aotc.pc.in ${CMAKE_BINARY_DIR}/aotc.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/aotc.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- inside the Python package (pyproject.toml) ----------------------------------------------------------

install(PROGRAMS $<TARGET_FILE:aotc> DESTINATION aotc/bin COMPONENT python EXCLUDE_FROM_ALL)
install(FILES $<TARGET_FILE:aotrt_shared> DESTINATION aotc/lib RENAME libaotrt.so COMPONENT python EXCLUDE_FROM_ALL)

# ---- packages --------------------------------------------------------------------------------------------

set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_NAME aotc)
set(CPACK_PACKAGE_VENDOR "the authors of aotc")
set(CPACK_PACKAGE_CONTACT "the authors of aotc <aotc@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "ahead-of-time compiler of PyTorch models to C")
set(CPACK_PACKAGE_FILE_NAME aotc-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)      # Depends: what the program and libaotrt are linked with
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gcc | c-compiler")
include(CPack)
