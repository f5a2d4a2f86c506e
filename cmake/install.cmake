# SPDX-License-Identifier: MIT
# Installation, so that find_package(remat) works from outside.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(remat_package_directory ${CMAKE_INSTALL_DATADIR}/cmake/remat)
install(TARGETS remat EXPORT rematTargets FILE_SET HEADERS)
if(remat_has_mpi)
  install(TARGETS remat_distributed EXPORT rematTargets FILE_SET HEADERS)
endif()
install(EXPORT rematTargets NAMESPACE remat:: DESTINATION ${remat_package_directory})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/rematConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/rematConfig.cmake ${PROJECT_SOURCE_DIR}/cmake/rematDependencies.cmake
              ${PROJECT_SOURCE_DIR}/cmake/compiled.cmake ${PROJECT_SOURCE_DIR}/cmake/compiled.cpp
              ${PROJECT_BINARY_DIR}/rematConfigVersion.cmake
        DESTINATION ${remat_package_directory})
