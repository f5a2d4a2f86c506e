// SPDX-License-Identifier: MIT
/// A network: a program with parameters, plans and an arena. What `model` is behind its type.
///
/// It holds one plan for each batch size that it has met, in training and in inference, and the arena of the largest.
/// Meeting a new batch size allocates; every later step with it allocates nothing.
///
/// A network is used by one thread at a time; several networks may be used by several threads. A process that has run a
/// step with more than one thread must not fork and go on training in the child: OpenMP's threads do not follow.
#pragma once

#include <remat/core/error.hpp>
#include <remat/plan/annotate.hpp>
#include <remat/plan/report.hpp>
#include <remat/run/arena.hpp>
#include <remat/run/parameters.hpp>
#include <remat/run/source.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat {

struct model_options {
  std::uint64_t seed = 0;
  int threads = 0;                                             ///< 0: as many as OpenMP gives when the model is built
  std::optional<std::vector<checkpoint_at>> checkpoints = {};  ///< where given, they stand in place of the tags
};

class network {
 public:
  network(program lowered, const model_options& options) : seed_(options.seed), threads_(options.threads) {
    if (options.threads < 0 || options.threads > 1024)
      throw error("a model needs 1 to 1024 threads, or 0 for OpenMP's number; it was given " +
                  std::to_string(options.threads));
    if (options.threads > 0 && !has_openmp)
      throw error("a model's number of threads needs OpenMP: compile with -fopenmp, or leave `threads` at 0");
    if (threads_ == 0) threads_ = thread_count();
    if (lowered.operations.empty()) throw error("a model needs at least one module that computes something");
    require_unique_paths(lowered);
    if (options.checkpoints) annotate(lowered, *options.checkpoints);
    program_ = std::make_unique<program>(fuse(std::move(lowered)));
    require_backward();
    parameters_ = std::make_unique<parameter_store>(*program_, seed_);
  }

  /// Forward, loss and backward on one batch: inputs first, then targets, each a range of numbers (see source.hpp).
  /// Returns the loss; gradients are then in `parameters()`. Throws `error` where shapes or targets do not fit; then
  /// parameters are as they were.
  template <class... Tensors>
  float train_step(const Tensors&... tensors) {
    const std::array<source, sizeof...(Tensors)> sources{source_of(tensors)...};
    if (program_->loss == none)
      throw error("train_step needs a loss; give the model one: remat::model<net, input, loss>");
    const thread_scope scope(threads_);
    executor& e = training(batch_of(sources, program_->inputs));
    const float loss = run_training(e, {seed_, steps_}, sources);
    ++steps_;
    last_batch_ = e.planned().batch;
    return loss;
  }

  /// Outputs for one batch, images as (N, C, H, W). The span is valid until the next call.
  template <class... Tensors>
  std::span<const float> predict(const Tensors&... tensors) {
    const std::array<source, sizeof...(Tensors)> sources{source_of(tensors)...};
    const thread_scope scope(threads_);
    executor& e = inference(batch_of(sources, program_->inputs - program_->targets));
    return run_inference(e, sources);
  }

  /// Runs `predict` on every batch of a range of (inputs, targets) and returns what the metric makes of it.
  template <class Batches, class Metric>
  auto evaluate(Batches&& batches, Metric metric) {
    for (const auto& [inputs, targets] : batches) metric.add(predict(inputs), targets, output_shape());
    return metric.value();
  }

  std::span<const parameter_view> parameters() const { return parameters_->views(); }
  /// By path, "conv1.weight"; throws `error` for a name that the model does not have.
  const parameter_view& parameter(std::string_view name) const { return parameters_->at(name); }

  /// What modules remember and nobody trains, by path.
  std::span<const state_view> states() const { return parameters_->state_views(); }

  /// What a training step at this batch does, keeps and needs: `std::cout << model.plan(64)`. Asking reserves nothing;
  /// the packed weights and kernel scratch are known, and in the report, once a step with this batch has run.
  plan_report plan(std::size_t batch) const { return report_of(training_, checked_batch(batch), true); }
  /// The plan of the last training step.
  plan_report plan() const {
    if (last_batch_ == 0) throw error("no step has run yet, so no batch size is known; ask for one: plan(64)");
    return plan(last_batch_);
  }
  plan_report inference_plan(std::size_t batch) const { return report_of(inference_, checked_batch(batch), false); }

  const remat::regions& reserved() const { return arena_.reserved(); }
  int threads() const { return threads_; }
  std::uint64_t seed() const { return seed_; }
  /// Training steps taken.
  std::uint32_t steps() const { return steps_; }
  const program& lowered() const { return *program_; }
  /// A number that no other network of this process has or had.
  std::uint64_t identity() const { return identity_; }
  const tensor_shape& output_shape() const { return program_->tensors[program_->outputs[0]]; }
  parameter_store& store() { return *parameters_; }

  /// The executor of a batch size, ready to run.
  executor& training(std::size_t batch) { return executor_for(training_, batch, true); }
  executor& inference(std::size_t batch) { return executor_for(inference_, batch, false); }

  /// One step of an executor, as given: for those who measure or audit it.
  float run_training(executor& e, const executor::step& s, std::span<const source> sources) {
    float loss = 0;
    const std::span<std::byte> result = std::as_writable_bytes(std::span(&loss, 1));
    e.run(s, sources, std::span(&result, 1));
    return loss;
  }

  /// The batch that `sources` hold, the first `count` inputs of the program. Throws `error` where they disagree.
  std::size_t batch_of(std::span<const source> sources, int count) const {
    if (static_cast<int>(sources.size()) != count)
      throw error("this call takes " + std::to_string(count) + " tensors, and was given " +
                  std::to_string(sources.size()));
    std::size_t batch = 0;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const tensor_shape& shape = program_->tensors[i];
      const std::string name = static_cast<int>(i) < program_->inputs - program_->targets ? "input" : "target";
      if (sources[i].type != shape.type)
        throw error(name + " " + std::to_string(i) +
                    (shape.type == element::float32 ? " takes float" : " takes integers"));
      const std::size_t each = shape.elements();
      if (sources[i].size == 0 || sources[i].size % each != 0)
        throw error(name + " " + std::to_string(i) + " has " + std::to_string(sources[i].size) +
                    " elements, which is no whole number of samples of " + std::to_string(each) + " " +
                    detail::text_of(shape));
      const std::size_t samples = sources[i].size / each;
      if (i > 0 && samples != batch)
        throw error(name + " " + std::to_string(i) + " holds " + std::to_string(samples) + " samples, input 0 holds " +
                    std::to_string(batch));
      batch = samples;
    }
    return batch;
  }

 private:
  using executors = std::vector<std::unique_ptr<executor>>;

  static void require_unique_paths(const program& p) {
    std::vector<std::string> paths;
    for (int n = 0; n < p.nodes.count(); ++n) paths.push_back(path_of(p, n));
    std::ranges::sort(paths);
    if (const auto twice = std::ranges::adjacent_find(paths); twice != paths.end())
      throw error("two modules have the path '" + *twice + "'; give them different names (the loss's is 'loss')");
  }

  /// Throws `error` for a module that training must differentiate, but that cannot.
  void require_backward() const {
    if (program_->loss == none) return;
    const list<backward_need> needs = detail::backward_needs(*program_);
    for (int i = 0; i < program_->operations.count(); ++i) {
      const operation& o = program_->operations[i];
      const char* missing = needs[i].parameters && o.kernels->backward_parameters == nullptr ? "backward_parameters"
                            : needs[i].input && o.kernels->backward_input == nullptr         ? "backward_input"
                                                                                             : nullptr;
      if (missing != nullptr)
        throw error("the module '" + path_of(*program_, o.node) + "' (" + std::string(o.kind) + ") has no " + missing +
                    ", which training this network needs; give it one");
    }
  }

  /// Kernels count the elements of a tensor in 32 bits.
  std::size_t checked_batch(std::size_t batch) const {
    if (batch == 0) throw error("a batch holds at least one sample");
    for (const tensor_shape& shape : program_->tensors)
      if (shape.per_sample && batch > std::numeric_limits<std::int32_t>::max() / shape.elements())
        throw error("a batch of " + std::to_string(batch) +
                    " makes a tensor of more than 2^31 - 1 elements; take smaller batches");
    return batch;
  }

  remat::plan plan_of(std::size_t batch, bool is_training) const {
    return is_training ? plan_training(*program_, batch) : plan_inference(*program_, batch);
  }

  executor& executor_for(executors& known, std::size_t batch, bool is_training) {
    for (auto& each : known)
      if (each->planned().batch == batch) return *each;
    const thread_scope scope(threads_);
    auto fresh = std::make_unique<executor>(*program_, plan_of(checked_batch(batch), is_training), *parameters_);
    bool moved = false;
    try {
      moved = arena_.reserve(fresh->needed());
    } catch (const std::bad_alloc&) {
      // The arena is empty now, and executors point nowhere: the next step, at a batch that fits, makes its own again.
      training_.clear();
      inference_.clear();
      throw;
    }
    known.push_back(std::move(fresh));
    if (moved) {
      for (const executors* all : {&training_, &inference_})
        for (const auto& each : *all) arena_.bind(*each);
    } else {
      arena_.bind(*known.back());
    }
    return *known.back();
  }

  std::span<const float> run_inference(executor& e, std::span<const source> sources) {
    if (program_->outputs.size != 1 || output_shape().type != element::float32)
      throw error("predict gives one output of float, and this model has another kind");
    const tensor_shape& shape = output_shape();
    outputs_.resize(shape.elements(e.planned().batch));
    const std::span<std::byte> result = std::as_writable_bytes(std::span(outputs_));
    e.run({seed_, steps_}, sources, std::span(&result, 1));
    if (!shape.is_image() || shape.channels() == 1) return outputs_;
    reordered_.resize(outputs_.size());
    const std::size_t channels = shape.channels(), pixels = shape.height() * shape.width();
    for (std::size_t n = 0; n < e.planned().batch; ++n)
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t pixel = 0; pixel < pixels; ++pixel)
          reordered_[(n * channels + c) * pixels + pixel] = outputs_[(n * pixels + pixel) * channels + c];
    return reordered_;
  }

  plan_report report_of(const executors& known, std::size_t batch, bool is_training) const {
    plan_report r = report(*program_, plan_of(batch, is_training));
    for (const auto& each : known)
      if (each->planned().batch == batch) {
        r.packed_bytes = each->needed().packed;
        r.scratch_bytes = each->needed().scratch;
      }
    return r;
  }

  static std::uint64_t next_identity() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
  }

  std::uint64_t identity_ = next_identity();
  std::uint64_t seed_;
  int threads_;
  std::uint32_t steps_ = 0;
  std::size_t last_batch_ = 0;
  std::unique_ptr<program> program_;  // executors point into it, wherever the network moves
  std::unique_ptr<parameter_store> parameters_;
  arena arena_;
  executors training_, inference_;
  std::vector<float> outputs_, reordered_;
};

}  // namespace remat
