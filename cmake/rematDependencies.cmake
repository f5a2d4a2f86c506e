# SPDX-License-Identifier: MIT
# What remat needs: a compiler and libraries. Read by remat's own build and, installed, by find_package(remat), so that
# both give the same answer. It never stops by itself: it sets
#   remat_missing       one sentence for each thing that is missing, saying what to install; empty when all is there
#   remat_dependencies  the targets that remat::remat links
set(remat_missing "")
set(remat_dependencies DNNL::dnnl OpenMP::OpenMP_CXX ZLIB::ZLIB Boost::headers nlohmann_json::nlohmann_json)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12
   OR CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
  list(APPEND remat_missing
       "the compiler is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (${CMAKE_CXX_COMPILER}), and remat needs \
g++ 12 or clang++ 16, or newer: choose one in an empty build directory, for example with \
-DCMAKE_CXX_COMPILER=g++ or -DCMAKE_CXX_COMPILER=clang++-19")
  return()  # nothing that an old compiler finds is worth telling
endif()

# remat_need(<what it is for> <Debian package> <arguments of find_package>...)
macro(remat_need purpose debian_package package)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    list(APPEND remat_missing "${package} (${purpose}) was not found: apt-get install ${debian_package}")
  endif()
endmacro()

set(remat_openmp_package libgomp1)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  string(REGEX MATCH "^[0-9]+" remat_openmp_package ${CMAKE_CXX_COMPILER_VERSION})
  set(remat_openmp_package libomp-${remat_openmp_package}-dev)
endif()
remat_need("threads in kernels" ${remat_openmp_package} OpenMP COMPONENTS CXX)
remat_need("compressed data sets" zlib1g-dev ZLIB)
remat_need("Boost.Hana" libboost-dev Boost 1.74 CONFIG)
remat_need("weights in safetensors files" nlohmann-json3-dev nlohmann_json 3.10 CONFIG)

# Debian's oneDNN is built with OpenCL, and its package configuration stops at once where OpenCL's files are not
# installed: say what is missing before it does.
find_path(remat_onednn_include oneapi/dnnl/dnnl.hpp)
mark_as_advanced(remat_onednn_include)
find_package(OpenCL QUIET)
if(remat_onednn_include STREQUAL "/usr/include" AND EXISTS /etc/debian_version AND NOT OpenCL_FOUND)
  list(APPEND remat_missing "OpenCL (asked for by Debian's oneDNN) was not found: apt-get install ocl-icd-opencl-dev")
else()
  remat_need("oneDNN, matrix products and convolutions" libdnnl-dev dnnl 2.6 CONFIG)
endif()

find_path(remat_random123_include Random123/philox.h)
mark_as_advanced(remat_random123_include)
if(NOT remat_random123_include)
  list(APPEND remat_missing
       "Random123/philox.h (random numbers) was not found: apt-get install librandom123-dev, or set \
remat_random123_include to the folder that holds Random123/")
elseif(NOT TARGET remat::random123)
  add_library(remat::random123 INTERFACE IMPORTED)
  set_target_properties(remat::random123 PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${remat_random123_include}")
endif()
list(APPEND remat_dependencies remat::random123)

find_path(remat_xxhash_include xxhash.h)
mark_as_advanced(remat_xxhash_include)
if(NOT remat_xxhash_include)
  list(APPEND remat_missing "xxhash.h (hashes of batches) was not found: apt-get install libxxhash-dev")
elseif(NOT TARGET remat::xxhash)
  add_library(remat::xxhash INTERFACE IMPORTED)
  set_target_properties(remat::xxhash PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${remat_xxhash_include}")
endif()
list(APPEND remat_dependencies remat::xxhash)

# For remat::distributed alone. Of several MPIs, MPICH is the one that it is tested with.
#   remat_has_mpi  whether there is one
find_program(MPI_CXX_COMPILER NAMES mpicxx.mpich mpicxx)
find_program(MPIEXEC_EXECUTABLE NAMES mpiexec.mpich mpiexec)
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI QUIET COMPONENTS CXX)
set(remat_has_mpi ${MPI_CXX_FOUND})
