// SPDX-License-Identifier: MIT
/// The definitions of what remat.hpp declares under REMAT_SEPARATE_COMPILATION, for one source file of a program:
///
///     #include <remat/compiled.hpp>
///
/// All files of the program are compiled with -DREMAT_SEPARATE_COMPILATION. The CMake target remat::compiled does both.
#pragma once

#include <remat/core/language.hpp>

#ifndef REMAT_SEPARATE_COMPILATION
#include "remat: <remat/compiled.hpp> holds the definitions of programs that are compiled with -DREMAT_SEPARATE_COMPILATION"
#endif
#ifdef REMAT_HAS_DEFINITIONS
#include "remat: include <remat/compiled.hpp> before any other header of remat; it includes what it needs"
#endif
#define REMAT_DEFINES

#include <remat/remat.hpp>
