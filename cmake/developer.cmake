# SPDX-License-Identifier: MIT
# remat_developer: warnings and sanitizers for remat's own tests, examples and benchmarks, switched on by the presets.
# Nobody who uses remat::remat gets any of it.
option(REMAT_WARNINGS "Warnings, as errors, in remat's own tests, examples and benchmarks" OFF)
set(REMAT_SANITIZERS "" CACHE STRING "Sanitizers for remat's own programs, for example address,undefined")

option(REMAT_COMPILED_ONCE "remat's own programs link remat::compiled, where they would be header-only" OFF)

add_library(remat_warnings INTERFACE)
add_library(remat_developer INTERFACE)
target_link_libraries(remat_developer INTERFACE remat_warnings)
if(REMAT_COMPILED_ONCE)
  target_link_libraries(remat_developer INTERFACE remat::compiled)
  # Of an inline function that several files define, a linker takes the first: here that of remat::compiled, which is
  # optimised where tests are not.
  target_link_options(remat_developer INTERFACE
                      "LINKER:--whole-archive,$<TARGET_FILE:remat_compiled>,--no-whole-archive")
endif()
if(REMAT_WARNINGS)
  target_compile_options(remat_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # g++ 12 reports std::string's own operator+ (https://gcc.gnu.org/PR105651).
    target_compile_options(remat_warnings INTERFACE -Wno-restrict)
  endif()
endif()
if(REMAT_SANITIZERS)
  set(sanitizers
      -fsanitize=${REMAT_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer
      # Under g++'s checks of null, "address is not null" is no constant expression. A null that is used is seen without
      # them.
      -fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute)
  target_compile_options(remat_developer INTERFACE ${sanitizers})
  target_compile_options(remat_compiled PRIVATE ${sanitizers})
  target_link_options(remat_developer INTERFACE -fsanitize=${REMAT_SANITIZERS})
endif()

if(REMAT_TESTS)
  find_package(Catch2 2.13 CONFIG QUIET)
  find_package(rapidcheck CONFIG QUIET)
  if(NOT Catch2_FOUND OR NOT rapidcheck_FOUND)
    message(FATAL_ERROR "remat's tests need Catch2 2 and RapidCheck: apt-get install catch2 librapidcheck-dev, "
                        "or configure with -DREMAT_TESTS=OFF")
  endif()
endif()

# developer_headers: what nearly every test and example includes is parsed once (REUSE_FROM developer_headers). They are no
# system headers, which CMake would make of them: their warnings count.
function(add_developer_headers)
  set(CMAKE_PCH_PROLOGUE "")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/developer_headers.cpp CONTENT "")
  add_library(developer_headers OBJECT EXCLUDE_FROM_ALL ${CMAKE_CURRENT_BINARY_DIR}/developer_headers.cpp)
  target_link_libraries(developer_headers PRIVATE remat::remat remat_developer)
  target_precompile_headers(developer_headers PRIVATE <remat/remat.hpp>)
  if(TARGET remat::distributed)
    target_link_libraries(developer_headers PRIVATE remat::distributed)
    # Compilers take what was parsed under the same definitions.
    target_compile_definitions(remat_developer INTERFACE $<TARGET_PROPERTY:MPI::MPI_CXX,INTERFACE_COMPILE_DEFINITIONS>)
    target_precompile_headers(developer_headers PRIVATE <remat/distributed.hpp>)
  endif()
  if(TARGET Catch2::Catch2)
    target_link_libraries(developer_headers PRIVATE Catch2::Catch2)
    target_precompile_headers(developer_headers PRIVATE <catch2/catch.hpp>)
  endif()
endfunction()
add_developer_headers()
