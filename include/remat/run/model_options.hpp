// SPDX-License-Identifier: MIT
/// The options of `model`: what it is built with beside its type.
#pragma once

#include <remat/core/error.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/run/network_checks.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace remat {

struct model_options {
  std::uint64_t seed = 0;
  /// Where a call has fewer (OMP_THREAD_LIMIT, a parallel region around it), it is refused. 0: as many as OpenMP gives
  /// when the model is built, or fewer where a call has fewer.
  int threads = 0;
  std::optional<std::vector<checkpoint_at>> checkpoints = {};  ///< where given, they stand in place of the tags
  std::size_t microbatches = 1;          ///< parts of equal size that a batch is trained in, one after another
  std::vector<std::string> frozen = {};  ///< paths of modules that are not trained, beside those in the type
  bool input_gradients = false;          ///< backward goes on to the inputs of float: `input_gradient()`
};

namespace detail {

/// The program that a model runs under its options. Throws `error` for what no model can be.
inline program with_options(program lowered, const model_options& options) {
  if (options.microbatches == 0) throw error("a batch is trained in at least one micro-batch");
  if (lowered.operations.empty()) throw error("a model needs at least one module that computes something");
  require_unique_paths(lowered);
  if (options.checkpoints) annotate(lowered, *options.checkpoints);
  freeze(lowered, options.frozen);
  lowered.input_gradients = options.input_gradients;
  program fused = fuse(std::move(lowered));
  require_backward(fused);
  return fused;
}

}  // namespace detail
}  // namespace remat
