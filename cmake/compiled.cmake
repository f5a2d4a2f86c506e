# SPDX-License-Identifier: MIT
# remat::compiled, for programs of many files or whoever waits for the compiler: remat::remat with the code that runs
# compiled once, in a library that the user's own build makes (core/compilation.hpp). Nothing is built unless a target
# links it. A build without optimisation has an optimised library all the same.
if(NOT TARGET remat::compiled)
  add_library(remat_compiled STATIC EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/compiled.cpp)
  add_library(remat::compiled ALIAS remat_compiled)
  target_link_libraries(remat_compiled PUBLIC remat::remat)
  target_compile_definitions(remat_compiled PUBLIC REMAT_SEPARATE_COMPILATION)
  target_compile_options(remat_compiled PRIVATE $<$<OR:$<CONFIG:>,$<CONFIG:Debug>>:-O2>)
endif()
