// SPDX-License-Identifier: MIT
/// The options of `model`: what it is built with in addition to its type. Those that `distributed_options` has, too,
/// come in the same order there, so that one list of designated initialisers serves both.
#pragma once

#include <remat/core/error.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/plan/fuse.hpp>
#include <remat/plan/operation_costs.hpp>
#include <remat/run/compute_option.hpp>
#include <remat/run/network_checks.hpp>
#include <remat/run/packing.hpp>

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
  remat::checkpoints checkpoints = {};               ///< where given, they replace the tags
  std::optional<operation_costs> costs = {};         ///< what policies see instead of FLOPs: `profile(model, 64)`
  std::optional<std::size_t> activation_bytes = {};  ///< that a step's activations may take, as policies are told
  std::size_t other_bytes = 0;  ///< that a budget of the whole rank leaves to others: an optimizer that steps apart
  std::vector<std::string> frozen = {};  ///< paths of modules that are not trained, next to those in the type
  std::vector<std::string> running_statistics = {};  ///< paths of modules whose batch norms use and keep theirs
  std::optional<element> compute = {};               ///< what modules compute with, instead of what the type says
  std::size_t microbatches = 1;                      ///< parts that `train_step` trains a batch in, one after another
  bool input_gradients = false;                      ///< backward goes on to the inputs of float: `input_gradient()`
  std::size_t max_plans = 8;  ///< sizes of (micro-)batches whose plans are kept, to train and as many to predict
  remat::packing packing = remat::packing::automatic;  ///< of weights: before each use of them, or once for several
  std::string offload_directory = {};                  ///< where `offload<file>` has its file; empty: TMPDIR, or /tmp
};

namespace detail {

/// The program that a model runs under its options. Throws `error` for what no model can be.
inline program with_options(program lowered, const model_options& options) {
  if (options.microbatches == 0) throw error("a batch is trained in at least one micro-batch");
  if (options.microbatches > 1 && lowered.loss == core::none)
    throw error("a model without a loss runs the batch that it is given as one, and has " +
                std::to_string(options.microbatches) + " micro-batches; give its parts to it one by one");
  if (options.max_plans == 0) throw error("a model keeps the plan of at least one batch size; max_plans is at least 1");
  if (lowered.operations.empty()) throw error("a model needs at least one module that computes something");
  require_unique_paths(lowered);
  annotate(lowered, options.checkpoints);
  require_boundaries(lowered);
  freeze(lowered, options.frozen);
  keep_states(lowered, options.running_statistics);
  lowered.input_gradients = options.input_gradients;
  compute_with(lowered, options.compute);
  program fused = fuse(std::move(lowered));
  require_backward(fused);
  return fused;
}

}  // namespace detail
}  // namespace remat
