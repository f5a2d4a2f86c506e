// SPDX-License-Identifier: MIT
// Replicas that bring batches of their own get the metrics of all of them together.
#include "training.hpp"

#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/tanh.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace evaluations_tests {

namespace nn = remat::nn;
using net = remat::sequential<nn::linear<5, 6>, nn::tanh, nn::linear<6, 6>, nn::tanh, nn::linear<6, 3>>;
using input = remat::tensor<float, 5>;
using distributed = remat::distributed_model<net, input, nn::cross_entropy>;
using batch = std::pair<std::vector<float>, std::vector<std::int32_t>>;

/// Each replica has other batches, of other sizes, and in each some targets that do not count.
std::vector<batch> batches_of(int replica, std::size_t count) {
  std::vector<batch> made;
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t samples = 3 + 2 * static_cast<std::size_t>(replica) + b;
    auto& [x, y] = made.emplace_back();
    for (std::size_t i = 0; i < samples * 5; ++i)
      x.push_back(static_cast<float>((i + 11 * b + 29 * static_cast<std::size_t>(replica)) * 37 % 101) / 50 - 1);
    for (std::size_t i = 0; i < samples; ++i)
      y.push_back(i == 0 ? -100 : static_cast<std::int32_t>((i + static_cast<std::size_t>(replica)) % 3));
  }
  return made;
}

remat::distributed_options options(int replicas) {
  return {.seed = 3,
          .threads = 1,
          .partitions = session().size() / replicas,
          .inputs = remat::inputs_from::each_replica,
          .logs_partition = false};
}

/// A metric of a user's own: the outputs that it has seen.
struct seen_outputs {
  std::size_t seen = 0;
  template <class Targets>
  void add(std::span<const float> outputs, const Targets&, const remat::tensor_shape&) {
    seen += outputs.size();
  }
  std::size_t value() const { return seen; }
};
struct merged_outputs : seen_outputs {
  void merge(const merged_outputs& other) { seen += other.seen; }
};

TEST_CASE("metrics of replicas with batches of their own are those of one process with all batches") {
  for (int replicas = 1; replicas <= session().size(); ++replicas) {
    if (session().size() % replicas != 0) continue;
    INFO(replicas << " replicas");
    remat::model<net, input, nn::cross_entropy> one{{.seed = 3, .threads = 1}};
    distributed model{session(), options(replicas)};
    std::vector<batch> all;
    for (int r = 0; r < replicas; ++r)
      for (batch& each : batches_of(r, 3)) all.push_back(std::move(each));
    const std::vector<batch> mine = batches_of(model.replica(), 3);

    CHECK(model.evaluate(mine, remat::accuracy{}) == one.evaluate(all, remat::accuracy{}));
    CHECK(model.evaluate(mine, remat::top_k<2>{}) == one.evaluate(all, remat::top_k<2>{}));
    CHECK(model.evaluate(mine, remat::mean_loss{}) == Approx(one.evaluate(all, remat::mean_loss{})).epsilon(1e-12));
    const remat::metrics several{remat::accuracy{{.ignore_index = 2}}, remat::mean_loss{},
                                 remat::metrics{remat::top_k<1>{}}};
    const auto [right, loss, first] = model.evaluate(mine, several);
    const auto [expected_right, expected_loss, expected_first] = one.evaluate(all, several);
    CHECK(right == expected_right);
    CHECK(loss == Approx(expected_loss).epsilon(1e-12));
    CHECK(first == expected_first);

    std::size_t of_all = 0, of_mine = 0;
    for (const batch& each : all) of_all += 3 * each.second.size();
    for (const batch& each : mine) of_mine += 3 * each.second.size();
    CHECK(model.evaluate(mine, merged_outputs{}) == of_all);
    CHECK(model.evaluate(mine, seen_outputs{}) == of_mine);
    CHECK(model.evaluate(mine, remat::metrics{seen_outputs{}, merged_outputs{}}) == std::tuple(of_mine, of_all));
  }
}

TEST_CASE("the mean of a loss with weights of classes, which the last stage's rank has, is that of one process") {
  using weighted = nn::cross_entropy_with<nn::class_weights<3>>;
  const auto set = [](remat::trainable& m) {
    for (const remat::state_view& s : m.states())
      for (std::size_t c = 0; c < s.values.size(); ++c) s.values[c] = 0.3f + static_cast<float>(c) / 3;
  };
  remat::model<net, input, weighted> one{{.seed = 3, .threads = 1}};
  set(one);
  for (int replicas = 1; replicas <= session().size(); ++replicas) {
    if (session().size() % replicas != 0) continue;
    INFO(replicas << " replicas");
    remat::distributed_model<net, input, weighted> model{session(), options(replicas)};
    set(model);
    std::vector<batch> all;
    for (int r = 0; r < replicas; ++r)
      for (batch& each : batches_of(r, 3)) all.push_back(std::move(each));
    const std::vector<batch> mine = batches_of(model.replica(), 3);
    const double expected = one.evaluate(all, remat::mean_loss{});
    CHECK(model.evaluate(mine, remat::mean_loss{}) == Approx(expected).epsilon(1e-12));
    const auto [loss, right] = model.evaluate(mine, remat::metrics{remat::mean_loss{}, remat::accuracy{}});
    CHECK(loss == Approx(expected).epsilon(1e-12));
    CHECK(right == one.evaluate(all, remat::accuracy{}));
  }
}

TEST_CASE("merged numbers have the same bits on all ranks, and squares are summed over replicas") {
  remat::distributed_model<net, input> model{session(), options(session().size())};
  remat::model<net, input> one{{.seed = 3, .threads = 1}};
  std::vector<std::pair<std::vector<float>, std::vector<float>>> all, mine;
  for (int r = 0; r < session().size(); ++r)
    for (const auto& [x, classes] : batches_of(r, 2)) {
      all.emplace_back(x, std::vector<float>(classes.size() * 3, 0.3f));
      if (r == session().rank()) mine.push_back(all.back());
    }
  const double found = model.evaluate(mine, remat::mean_squared_error{});
  CHECK(found == Approx(one.evaluate(all, remat::mean_squared_error{})).epsilon(1e-12));
  for (const double other : remat::internals::all(model).gather(found)) CHECK(other == found);
}

/// Throws on ranks with data, and has no value on the others.
struct out_of_range_on_data {
  bool throws = true;
  std::size_t seen = 0;
  template <class Targets>
  void add(std::span<const float> outputs, const Targets&, const remat::tensor_shape&) {
    seen += outputs.size();
    if (throws) throw std::out_of_range("no such class");
  }
  std::size_t value() const {
    if (seen == 0) throw std::logic_error("nothing was seen");
    return seen;
  }
};

TEST_CASE("what a metric of a user's throws on one rank is refused on all, and ranks without data ask it for nothing") {
  distributed model{session(),
                    {.seed = 3, .threads = 1, .inputs = remat::inputs_from::first_stage, .logs_partition = false}};
  const std::vector<batch> data = batches_of(0, 2);
  const std::vector<batch> mine = model.partition() == 0 ? data : std::vector<batch>(2);
  CHECK_THROWS_WITH(model.evaluate(mine, out_of_range_on_data{}), Catch::Matchers::Contains("no such class"));
  CHECK(model.evaluate(mine, out_of_range_on_data{.throws = false}) ==
        (data[0].second.size() + data[1].second.size()) * 3);
  CHECK_THROWS_WITH(model.evaluate(std::vector<batch>(), out_of_range_on_data{}),
                    Catch::Matchers::Contains("nothing was seen"));
}

TEST_CASE("replicas with another number of batches are refused in one sentence, on all ranks", "[even_ranks]") {
  distributed model{session(), options(2)};
  const std::vector<batch> mine = batches_of(model.replica(), model.replica() == 0 ? 3 : 2);
  std::string told;
  try {
    model.evaluate(mine, remat::accuracy{});
  } catch (const remat::collective_error& e) {
    told = e.what();
  }
  INFO(told);
  CHECK(told.find("in predict 3") != std::string::npos);
  CHECK(told.find("in evaluate 1: ") != std::string::npos);
  CHECK(told.ends_with("; evaluate takes as many batches on every rank"));
  const std::vector<batch> as_many = batches_of(model.replica(), 2);
  CHECK(model.evaluate(as_many, remat::accuracy{}) >= 0);  // and the model goes on
}

}  // namespace evaluations_tests
