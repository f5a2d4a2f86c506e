// SPDX-License-Identifier: MIT
/// Header-only, or compiled once: where the code that runs is defined.
///
/// | defined                      | the code that runs is                                                            |
/// |------------------------------|----------------------------------------------------------------------------------|
/// | nothing                      | inline in the headers, and compiled wherever it is used                          |
/// | `REMAT_SEPARATE_COMPILATION` | declared in the headers; one source file of the program, which includes          |
/// |                              | <remat/compiled.hpp>, or the CMake target remat::compiled, has its definitions   |
///
/// What plans is constexpr, and inline in both ways. The two differ by a namespace, so that a program of which one part
/// hands models to another does not link unless both are compiled the same way. These macros are remat's own:
///
///     inline namespace REMAT_COMPILATION { ... }             in namespace remat, holds classes that have such code
///     REMAT_DEFINED float f();                               declares a function, and
///     #if REMAT_HAS_DEFINITIONS                              defines it, after its class
///     REMAT_DEFINED float f() { ... }
///     #endif
///     REMAT_COMPILED_TEMPLATE(struct, name<arguments>)       compiles a template for these arguments once; in
///                                                            namespace remat
#pragma once

#include <remat/core/language.hpp>

#ifndef REMAT_SEPARATE_COMPILATION
#define REMAT_COMPILATION header_only
#define REMAT_HAS_DEFINITIONS 1
#define REMAT_DEFINED inline
#define REMAT_COMPILED_TEMPLATE(kind, ...)
#elif defined(REMAT_DEFINES)  // by compiled.hpp
#define REMAT_COMPILATION compiled
#define REMAT_HAS_DEFINITIONS 1
#define REMAT_DEFINED
#define REMAT_COMPILED_TEMPLATE(kind, ...) template kind __VA_ARGS__;
#else
#define REMAT_COMPILATION compiled
#define REMAT_HAS_DEFINITIONS 0
#define REMAT_DEFINED
#define REMAT_COMPILED_TEMPLATE(kind, ...) extern template kind __VA_ARGS__;
#endif
