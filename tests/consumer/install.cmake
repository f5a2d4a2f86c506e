# SPDX-License-Identifier: MIT
# cmake -D build=<build directory> -D prefix=<prefix> -P install.cmake
# Installs remat into an empty prefix, so that no header of an earlier installation can help.
cmake_minimum_required(VERSION 3.25)

file(REMOVE_RECURSE ${prefix})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${build} --prefix ${prefix} COMMAND_ERROR_IS_FATAL ANY)
