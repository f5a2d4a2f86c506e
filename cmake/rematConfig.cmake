# SPDX-License-Identifier: MIT
# find_package(remat) gives remat::remat. What is missing is named in the message that find_package prints.
include(${CMAKE_CURRENT_LIST_DIR}/rematDependencies.cmake)
if(remat_missing)
  set(remat_FOUND FALSE)
  list(JOIN remat_missing "\n  " ${CMAKE_FIND_PACKAGE_NAME}_NOT_FOUND_MESSAGE)
  return()
endif()
include(${CMAKE_CURRENT_LIST_DIR}/rematTargets.cmake)
