// SPDX-License-Identifier: MIT
/// The instruction set that oneDNN's kernels use: the CPU's, or less where DNNL_MAX_CPU_ISA says so.
#pragma once

#include <remat/nn/onednn_layout.hpp>

namespace remat::onednn {

/// `amx` has the kernels of `avx512` for float32.
enum class instruction_set { other, avx512, amx };

inline instruction_set instructions() {
  static const instruction_set found = [] {
    const unsigned bits = dnnl_get_effective_cpu_isa();
    const auto has = [bits](unsigned set) { return (bits & set) == set; };
    return has(dnnl_cpu_isa_avx512_core_amx) ? instruction_set::amx
           : has(dnnl_cpu_isa_avx512_core)   ? instruction_set::avx512
                                             : instruction_set::other;
  }();
  return found;
}

/// Whether the CPU is Intel's.
inline bool is_intel() {
#if defined(__x86_64__)
  return __builtin_cpu_is("intel");
#else
  return false;
#endif
}

/// The variable of the environment that says to use less.
inline constexpr const char* instruction_limit = "DNNL_MAX_CPU_ISA";

/// Whether oneDNN's kernels have products of bfloat16 here.
inline bool has_bfloat16() {
  return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

/// Whether these are faster than those of float32. AMX's are. Those of AVX-512 have twice the rate on AMD's CPUs and on
/// Cooper Lake; on later ones of Intel, where a virtual machine may hide AMX, half of it (convolutions and products of
/// 90 to 105 GFLOP/s at 1 thread, next to 170 to 190).
inline bool multiplies_bfloat16() {
  static const bool is_slow = [] {
    if (instructions() == instruction_set::amx || !is_intel()) return false;
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512vbmi") != 0;  // which Cooper Lake has not
#else
    return false;
#endif
  }();
  return has_bfloat16() && !is_slow;
}

}  // namespace remat::onednn
