// SPDX-License-Identifier: MIT
/// Loops that use the widest vectors of the machine they run on, and give the same bits on all of them.
///
///     REMAT_BEGIN_VECTOR_CODE
///     REMAT_VECTORISED inline void f(...) { ... }      a clone for each instruction set, chosen when the program starts
///     REMAT_END_VECTOR_CODE
///
/// Between begin and end, products and sums are rounded one by one, whatever flags the user compiles with (clang's
/// -ffp-contract=fast alone takes no notice), and a sum has `lanes` partial sums in one order, whatever the width of
/// the vectors. REMAT_INDEPENDENT is before a loop whose steps do not depend on one another, although what it
/// writes may be where it reads. These macros are remat's own.
#pragma once

#include <remat/core/language.hpp>

#include <cstddef>

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// The second clone is for AVX2 with FMA, of whatever vendor. "arch=haswell" would be for that one processor alone, and
// all others would run the default, in which each fma is a call of the C library. What clang 16 makes of
// "arch=x86-64-v3" is never chosen.
#if !defined(__clang__) || __clang_major__ >= 19
#define REMAT_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define REMAT_VECTORISED __attribute__((target_clones("avx512bw", "fma", "default")))
#endif
/// Defines `name`, a function of these parameters, from a template of functions that are always inlined: name_in<true>
/// for machines with 32 registers of sixteen floats, name_in<false> for all others. Compilers take seconds, and tens of
/// kilobytes, to make narrow vectors of code that holds sixteen wide ones.
#define REMAT_VECTORISED_IN_REGISTERS(name, parameters, ...)                                                   \
  __attribute__((target("avx512f"))) inline void name##_version parameters { name##_in<true>(__VA_ARGS__); }   \
  __attribute__((target("avx2,fma"))) inline void name##_version parameters { name##_in<false>(__VA_ARGS__); } \
  __attribute__((target("default"))) inline void name##_version parameters { name##_in<false>(__VA_ARGS__); }  \
  inline void name parameters { name##_version(__VA_ARGS__); }
#else
#define REMAT_VECTORISED
#define REMAT_VECTORISED_IN_REGISTERS(name, parameters, ...) \
  inline void name parameters { name##_in<false>(__VA_ARGS__); }
#endif

#if defined(__clang__)
// At -O1 clang does not vectorise, and warns of each loop that it was told is safe to.
#define REMAT_BEGIN_VECTOR_CODE                                                          \
  _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wpass-failed\"") \
      _Pragma("float_control(push)") _Pragma("clang fp contract(off)")
#define REMAT_END_VECTOR_CODE _Pragma("float_control(pop)") _Pragma("clang diagnostic pop")
#define REMAT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define REMAT_BEGIN_VECTOR_CODE _Pragma("GCC push_options") _Pragma("GCC optimize(\"O3\", \"fp-contract=off\")")
#define REMAT_END_VECTOR_CODE _Pragma("GCC pop_options")
#define REMAT_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace remat::nn::detail {

/// Partial sums of a vectorised sum.
inline constexpr std::size_t lanes = 16;

}  // namespace remat::nn::detail
