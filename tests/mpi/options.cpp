// SPDX-License-Identifier: MIT
// One list of designated initialisers serves a model of one process and a distributed one.
#include "same_bits.hpp"
#include "session.hpp"

#include <remat/distributed.hpp>
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <type_traits>
#include <vector>

namespace options_tests {

template <class Options>
constexpr bool takes_what_all_models_take(const Options& o = {.seed = 1,
                                                              .threads = 1,
                                                              .checkpoints = {remat::checkpoint_at("0")},
                                                              .costs = remat::operation_costs{},
                                                              .activation_bytes = 4,
                                                              .other_bytes = 5,
                                                              .frozen = {"0"},
                                                              .running_statistics = {"1"},
                                                              .compute = remat::element::bfloat16,
                                                              .microbatches = 2,
                                                              .max_plans = 3,
                                                              .packing = remat::packing::kept,
                                                              .offload_directory = "/scratch"}) {
  return o.seed == 1 && o.threads == 1 && o.checkpoints.replace_tags() && o.costs && o.activation_bytes == 4 &&
         o.other_bytes == 5 && o.frozen.size() == 1 && o.running_statistics.size() == 1 &&
         o.compute == remat::element::bfloat16 && o.microbatches == 2 && o.max_plans == 3 &&
         o.packing == remat::packing::kept && o.offload_directory == "/scratch";
}

TEST_CASE("the options that all models have come in one order") {
  CHECK(takes_what_all_models_take<remat::model_options>());
  CHECK(takes_what_all_models_take<remat::distributed_options>());
}

TEST_CASE("a distributed model of values is that of their types") {
  namespace nn = remat::nn;
  constexpr auto net = remat::as_named<"first">(nn::linear<6, 5>{} | nn::relu{}) | nn::linear<5, 3>{};
  const remat::distributed_options options{.seed = 3, .threads = 1, .partitions = 1, .logs_partition = false};
  auto of_values =
      remat::make_distributed_model(session(), net, remat::tensor<float, 6>{}, nn::cross_entropy{}, options);
  remat::distributed_model<std::remove_const_t<decltype(net)>, remat::tensor<float, 6>, nn::cross_entropy> of_types(
      session(), options);
  const std::vector<float> x(12 * 6, 0.5f);
  const std::vector<std::int32_t> y(12, 2);
  const float loss = of_types.train_step(x, y);
  CHECK(loss > 0);
  CHECK(same_bits(of_values.train_step(x, y), loss));
}

}  // namespace options_tests
