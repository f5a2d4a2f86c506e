// SPDX-License-Identifier: MIT
/// The instruction set that oneDNN's kernels use: the CPU's, or less where DNNL_MAX_CPU_ISA says so.
#pragma once

#include <remat/nn/onednn_layout.hpp>

namespace remat::onednn {

/// `amx` has the kernels of `avx512` for float32, on a core with other caches.
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

/// The variable of the environment that says to use less.
inline constexpr const char* instruction_limit = "DNNL_MAX_CPU_ISA";

/// Whether they have products of bfloat16.
inline bool has_bfloat16() {
  return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

}  // namespace remat::onednn
