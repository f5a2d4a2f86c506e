// SPDX-License-Identifier: MIT
// What a step allocates: nothing of remat's from the second step on, and a constant number of oneDNN's own.
#include <allocations/counted.hpp>
#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <remat/remat.hpp>

#include <oneapi/dnnl/dnnl.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

namespace allocations_tests {

#if REMAT_TEST_COUNTS_ALLOCATIONS

using allocations::usage, allocations::measure;

/// The heap may rise by 64 KiB within a step; in `normed` by 128 for each thread, since oneDNN's gemm, to which the
/// weight gradients of convolutions with dilated groups come, packs into memory of its own.
usage check_steps(remat::network& model, const networks::batch& data, std::ptrdiff_t may_rise) {
  remat::adamw optimizer;
  optimizer.group(remat::is_bias_or_norm, {.weight_decay = 0});
  const remat::learning_rate::sequence schedule{remat::learning_rate::linear{.steps = 3},
                                                remat::learning_rate::cosine{.steps = 10}};
  const auto step = [&] {
    train_step(model, data);
    remat::clip_gradients(model, 1);
    optimizer.step(model, schedule(optimizer.steps()));
  };
  const usage first = measure(step);
  CHECK(first.ours > 0);  // the counters count
  const usage second = measure(step);
  for (int i = 0; i < 2; ++i) {
    const usage later = measure(step);
    CHECK(later.ours == 0);
    CHECK(later.theirs == second.theirs);
    CHECK(later.risen <= may_rise);
  }
  CHECK(second.ours == 0);
  const auto updating_step = [&] {
    networks::with(
        data, [&](const auto&... tensors) { model.train_step(tensors..., optimizer, schedule(optimizer.steps())); });
  };
  measure(updating_step);
  for (int i = 0; i < 2; ++i) {
    const usage later = measure(updating_step);
    CHECK(later.ours == 0);
    CHECK(later.risen <= may_rise);
  }
  return second;
}

void check_networks(int threads) {
  std::ostringstream found;
  constexpr std::pair<const char*, std::size_t> settings[] = {
      {"none", 1}, {"all as one", 4}, {"blocks in groups in all", 4}};
  for (const networks::network& n : networks::all())
    for (const auto& [name, parts] : settings) {
      INFO(n.name << ", " << name << ", " << parts << " micro-batches, " << threads << " threads");
      const remat::program p = n.lower();
      remat::network model = make(n, p,
                                  {.seed = 1,
                                   .threads = threads,
                                   .checkpoints = networks::policy_named(name).checkpoints(n, p),
                                   .microbatches = parts});
      const usage step = check_steps(model, random_batch(n, p, parts * n.microbatch, 1),
                                     (n.name == "normed" ? 128 * threads : 64) * 1024);
      if (parts == 1) found << "\n  " << n.name << ": " << step.theirs << ", " << step.risen << " bytes";
    }
  WARN("Allocations of oneDNN's in a step, and what the heap rises by:" << found.str());
}

TEST_CASE("a step allocates nothing of ours on any network, 1 thread", "[long]") { check_networks(1); }
TEST_CASE("a step allocates nothing of ours on any network, 2 threads", "[once][serial]") { check_networks(2); }

TEST_CASE("a step whose activations wait in a file, and are verified, allocates nothing of ours") {
  namespace nn = remat::nn;
  using net = remat::repeat<6, remat::sequential<nn::linear<32, 32>, nn::tanh>>;
  const remat::offload<remat::file> file{.window = {.least_bytes = 1}};
  remat::model<net, remat::tensor<float, 32>, nn::cross_entropy> model{
      {.seed = 1,
       .threads = 1,
       .checkpoints = {remat::checkpoint_at("", remat::strategy::group<2>{}, remat::verified{remat::recompute_all{}},
                                            file)},
       .microbatches = 2}};
  check_steps(model, networks::batch{{std::vector<float>(32 * 32, 0.5f)}, {std::vector<std::int32_t>(32, 1)}},
              64 * 1024);
  CHECK(count(remat::plan_training(model.lowered(), 16), remat::action_kind::begin_write) > 0);
}

TEST_CASE("a prediction that is given the last one allocates nothing, time and again") {
  using model = remat::model<remat::nn::linear<8, 8>, remat::tensor<float, 8>>;
  model m{{.seed = 1, .threads = 1}}, other{{.seed = 1, .threads = 1}};
  std::vector<float> copied(32, 0.5f);
  std::span<const float> y = m.predict(copied);
  for (int step = 0; step < 6; ++step) {
    const auto before = other.predict(copied);
    copied.assign(before.begin(), before.end());
    CHECK(std::ranges::equal(y, copied));
    const usage used = measure([&] { y = m.predict(y); });
    if (step > 0) CHECK(used.ours == 0);
  }
}

TEST_CASE("300 batch sizes take the memory of the plans that are kept, and within these a step allocates nothing") {
  namespace nn = remat::nn;
  using net = remat::sequential<nn::linear<6, 16>, nn::relu, nn::linear<16, 3>>;
  using trained = remat::model<net, remat::tensor<float, 6>, nn::cross_entropy>;
  const std::vector<float> x(6 * 300, 0.5f);
  const std::vector<std::int32_t> y(300, 1);
  const auto run = [&](trained& model, std::size_t from, std::size_t to) {
    for (std::size_t batch = from; batch > to; --batch) {
      model.train_step(std::span(x).first(6 * batch), std::span(y).first(batch));
      model.predict(std::span(x).first(6 * batch));
    }
  };
  const auto bytes_of = [&](trained& model, std::size_t from, std::size_t to) {
    return measure([&] { run(model, from, to); }).live;
  };
  // oneDNN keeps up to 1,024 primitives for whoever may ask for the same again. These are no model's.
  int kept_by_onednn = 0;
  dnnl_get_primitive_cache_capacity(&kept_by_onednn);
  dnnl_set_primitive_cache_capacity(0);
  // The largest size comes first: the arena is as large as it will be.
  trained bounded{{.seed = 1, .threads = 1}}, unbounded{{.seed = 1, .threads = 1, .max_plans = 1000}};
  run(unbounded, 300, 299);
  const std::ptrdiff_t of_300 = bytes_of(unbounded, 299, 0);
  run(bounded, 300, 299);
  const std::ptrdiff_t of_8 = bytes_of(bounded, 299, 292), of_8_and_292 = of_8 + bytes_of(bounded, 292, 0);
  WARN("Bytes of plans: 8 batch sizes " << of_8 << ", 300 in turn " << of_8_and_292 << ", 300 kept " << of_300);
  CHECK(bounded.kept_plans() == 16);
  CHECK(unbounded.kept_plans() == 600);
  CHECK(of_8_and_292 < 2 * of_8);
  CHECK(of_300 > 20 * of_8);
  run(bounded, 8, 0);
  CHECK(measure([&] { run(bounded, 8, 0); }).ours == 0);
  dnnl_set_primitive_cache_capacity(kept_by_onednn);
}

#else

TEST_CASE("a step allocates nothing of ours") { WARN("skipped: the sanitizers have an allocator of their own"); }

#endif

}  // namespace allocations_tests
