// SPDX-License-Identifier: MIT
// One model annotated in its type, by values and by tags that are written by hand: the same stages, segments, parts,
// warnings and refusals on any ranks, and the bits of one process without a checkpoint.
#include "training.hpp"

#include <remat/distributed.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace annotations_tests {

namespace nn = remat::nn;
namespace strategy = remat::strategy;
using remat::checkpoint_at;

constexpr std::size_t width = 16, microbatches = 12, batch = 2 * microbatches;
using input = remat::tensor<float, width>;
using loss = nn::cross_entropy;

using feed_forward = remat::sequential<nn::linear<width, width>, nn::gelu, nn::linear<width, width>>;
template <class Mlp>
using block_of = remat::residual<remat::sequential<nn::layer_norm<width>, remat::named<"mlp", Mlp>>>;
using block = block_of<feed_forward>;
template <class H>
using net_of =
    remat::sequential<remat::named<"transformer", remat::sequential<nn::linear<width, width>, remat::named<"h", H>>>,
                      remat::named<"head", nn::linear<width, 4>>>;
using net = net_of<remat::repeat<5, block>>;

struct annotated {
  const char* name;
  remat::program in_type, by_hand;
  std::vector<checkpoint_at> values;
};
template <class InType, class ByHand>
annotated alike(const char* name, std::vector<checkpoint_at> values) {
  return {name, remat::lower<InType, input, loss>(), remat::lower<ByHand, input, loss>(), std::move(values)};
}
const std::vector<annotated>& all() {
  using remat::set_activation_checkpointing, remat::checkpoint, remat::checkpoint_sequential, remat::repeat;
  static const std::vector<annotated> made = {
      alike<set_activation_checkpointing<net, "transformer.h">, net_of<checkpoint_sequential<repeat<5, block>>>>(
          "each block", {checkpoint_at("transformer.h", strategy::each{})}),
      alike<set_activation_checkpointing<net, "transformer.h", strategy::contiguous>,
            net_of<checkpoint<repeat<5, block>>>>("all blocks of a stage", {checkpoint_at("transformer.h")}),
      alike<set_activation_checkpointing<net, "transformer.h.*.mlp", strategy::contiguous>,
            net_of<repeat<5, block_of<checkpoint<feed_forward>>>>>("the mlp of each block",
                                                                   {checkpoint_at("transformer.h.*.mlp")}),
      alike<set_activation_checkpointing<set_activation_checkpointing<net, "transformer.h.*.mlp", strategy::contiguous>,
                                         "transformer.h", strategy::group<2>>,
            net_of<checkpoint_sequential<repeat<5, block_of<checkpoint<feed_forward>>>, strategy::group<2>>>>(
          "the mlp of each block, in twos of blocks",
          {checkpoint_at("transformer.h", strategy::group<2>{}), checkpoint_at("transformer.h.*.mlp")})};
  return made;
}

outcome train(auto& model) {
  std::vector<float> x(batch * width);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 2654435761u >> 8) % 2048) / 1024 - 1;
  std::vector<std::int32_t> y(batch);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(i % 4);
  return train_twice(model, x, y);
}

/// What a model is under its partition, in words; and what it warned of, or why it was refused, on this rank.
struct distributed {
  std::string text;
  outcome made = {};
};
distributed run(const remat::program& lowered, const remat::checkpoints& values,
                const remat::pipeline_schedule& schedule, const remat::partition::setting& partition) {
  std::string text;
  remat::send_warnings_to([&](const remat::warning& w) { text += w.text + "\n"; });
  distributed found;
  try {
    remat::distributed_network model(session(), lowered,
                                     {.seed = 5,
                                      .threads = 1,
                                      .checkpoints = values,
                                      .microbatches = microbatches,
                                      .schedule = schedule,
                                      .partition = partition,
                                      .logs_partition = false});
    const remat::program& p = model.lowered();
    text += remat::partition_log(p) + remat::checkpoint_log(p);
    for (const remat::segment& s : remat::segments_of(p, {}))
      text += std::to_string(s.first) + "-" + std::to_string(s.last) + " in " + std::to_string(s.parent) + " for " +
              remat::path_of(p, s.node) + " " + std::string(s.policy) + "\n";
    found.made = train(model);
    const remat::pipeline& line = remat::internals::last_pipeline(model);
    text += std::to_string(line.executed(remat::action_kind::recompute)) + " recomputed\n";
  } catch (const remat::error& e) {
    text += e.what();
  }
  remat::send_warnings_to({});
  found.text = text;
  return found;
}

TEST_CASE("annotations, values and tags by hand are one model on any ranks") {
  remat::network one(remat::lower<net, input, loss>(), {.seed = 5, .threads = 1, .microbatches = microbatches});
  const outcome expected = train(one);
  const remat::program plain = remat::lower<net, input, loss>();
  std::size_t warned = 0;
  for (const annotated& each : all())
    for (const remat::pipeline_schedule& schedule : {remat::pipeline_schedule(remat::schedule::one_f_one_b),
                                                     remat::pipeline_schedule(remat::schedule::zero_bubble),
                                                     remat::pipeline_schedule(remat::schedule::interleaved<2>)})
      for (const remat::partition::setting& partition : {remat::partition::setting(remat::partition::balanced),
                                                         remat::partition::setting(remat::partition::uniform)}) {
        INFO(each.name << ", " << schedule.name() << ", " << partition.name);
        const distributed in_type = run(each.in_type, {}, schedule, partition);
        const distributed by_hand = run(each.by_hand, {}, schedule, partition);
        const distributed by_value = run(plain, each.values, schedule, partition);
        CHECK(in_type.text == by_hand.text);
        CHECK(by_value.text == by_hand.text);
        CHECK_THAT(by_hand.text, Catch::Contains(" recomputed"));
        if (in_type.text.find("Skipping activation checkpointing for module 'transformer.h.") != std::string::npos)
          ++warned;
        for (const distributed* model : {&in_type, &by_hand, &by_value}) check_same(model->made, expected);
      }
  if (session().size() > 1 && session().rank() == 0) CHECK(warned > 0);
}

TEST_CASE("a cut by hand through an annotated module is refused as it is through a tag") {
  if (session().size() != 2) return;
  const remat::program plain = remat::lower<net, input, loss>();
  const auto cut = remat::partition::at({"transformer.h.2.mlp.2"});
  const std::string refused = "a child of a checkpointed sequential must be within one stage, and 'transformer.h.2'";
  for (std::size_t k = 0; k < all().size(); ++k) {
    const annotated& each = all()[k];
    INFO(each.name);  // the third checkpoints sequentials, between whose children a cut may go
    const distributed in_type = run(each.in_type, {}, remat::schedule::gpipe, cut);
    CHECK_THAT(in_type.text, Catch::Contains(k == 2 ? " recomputed" : refused));
    CHECK(in_type.text == run(each.by_hand, {}, remat::schedule::gpipe, cut).text);
    CHECK(in_type.text == run(plain, each.values, remat::schedule::gpipe, cut).text);
  }
}

TEST_CASE("an annotation that is wrong is refused on all ranks with one message") {
  const remat::program plain = remat::lower<net, input, loss>();
  const auto refusal = [&](std::vector<checkpoint_at> values) {
    const std::string text = run(plain, std::move(values), remat::schedule::gpipe, remat::partition::balanced).text;
    CHECK(is_same_on_ranks(text));
    return text;
  };
  CHECK_THAT(refusal({checkpoint_at("h.*.mlp")}), Catch::Contains("the nearest is 'transformer.h.*.mlp'"));
  CHECK_THAT(refusal({checkpoint_at("transformer.h.*", strategy::each{})}), Catch::Contains("is no sequential"));
  CHECK_THAT(refusal({checkpoint_at("transformer.h.*"), checkpoint_at("transformer.h.4")}),
             Catch::Contains("a module is annotated once, and 'transformer.h.4'"));
}

}  // namespace annotations_tests
