// SPDX-License-Identifier: MIT
// Data sets of .npy files: the batches of arrays in memory, without the arrays.
#include <remat/remat.hpp>

#include "npy_files.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace npy_set_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using npy_files::array;

const temporary_folder folder;
constexpr std::size_t samples = 50;

std::vector<float> features() {
  std::vector<float> x(samples * 6);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  return x;
}
std::vector<std::int64_t> labels() {
  std::vector<std::int64_t> y(samples);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int64_t>(i * i % 3);
  return y;
}
const std::filesystem::path x_path = folder.write("x.npy", array("<f4", "(50, 2, 3)", features()));
const std::filesystem::path y_path = folder.write("y.npy", array("<i8", "(50,)", labels()));

/// Everything that the batches of a data set hold.
template <class Data>
std::vector<double> all_of(const Data& data, std::size_t batch_size, const remat::batch_options& options) {
  std::vector<double> all;
  for (auto [x, y] : data.batches(batch_size, options)) {
    all.insert(all.end(), x.begin(), x.end());
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}

TEST_CASE("batches of files are those of the arrays in memory", "[io][npy]") {
  const std::vector<float> x = features();
  const std::vector<std::int64_t> y = labels();
  const auto expected = remat::in_memory(x, y);
  const remat::npy_set<float, std::int32_t> data(x_path, y_path);
  CHECK(data.size() == samples);
  for (const std::size_t size : {1u, 7u, 10u, 50u, 64u})
    for (const remat::batch_options& options : {remat::batch_options{},
                                                {.shuffle_seed = 3},
                                                {.shuffle_seed = 3, .epoch = 2},
                                                {.first = 1},
                                                {.shuffle_seed = 3, .last = remat::last_batch::keep, .first = 1}}) {
      CHECK(all_of(data, size, options) == all_of(expected, size, options));
    }
  auto batches = data.batches(7, {.last = remat::last_batch::drop});
  CHECK(batches.count() == 7);
  CHECK(batches.position() == 0);
  auto at = batches.begin();
  ++at;
  CHECK(batches.position() == 2);
  // It keeps its files itself.
  auto alone = remat::npy_set<float, std::int32_t>(x_path, y_path).batches(50);
  CHECK(std::get<0>(*alone.begin()).size() == x.size());
}

TEST_CASE("a model trains and is evaluated on files as on arrays", "[io][npy]") {
  using net = remat::sequential<nn::flatten, nn::linear<6, 3>, nn::log_softmax>;
  using model = remat::model<net, remat::tensor<float, 2, 3>, nn::nll_loss>;
  const std::vector<float> x = features();
  const std::vector<std::int64_t> y = labels();
  const auto arrays = remat::in_memory(x, y);
  const remat::npy_set<remat::tensor<float, 2, 3>, remat::tensor<std::int32_t, 1>> files(x_path, y_path);
  model a{{.seed = 1}}, b{{.seed = 1}};
  const auto train = [](model& m, const auto& data) {
    remat::sgd optimizer{{.learning_rate = 0.1f}};
    std::vector<float> losses;
    for (auto [inputs, targets] : data.batches(8, {.shuffle_seed = 5})) {
      losses.push_back(m.train_step(inputs, targets));
      optimizer.step(m);
    }
    return losses;
  };
  CHECK(train(a, arrays) == train(b, files));
  CHECK(a.evaluate(arrays.batches(16), remat::accuracy{}) == b.evaluate(files.batches(16), remat::accuracy{}));
}

TEST_CASE("arrays of other shapes, types or lengths than asked for are refused by name", "[io][npy]") {
  using remat::npy_set, remat::tensor, remat::image;
  CHECK_THROWS_WITH((npy_set<tensor<float, 3, 2>>(x_path)),
                    Contains("x.npy: has shape (50, 2, 3); (N, 3, 2) is what the data set is declared to hold"));
  CHECK_THROWS_WITH((npy_set<tensor<float, 6>>(x_path)), Contains("(N, 6) is what"));
  CHECK_THROWS_WITH((npy_set<image<float, 1, 2, 3>>(x_path)), Contains("(N, 1, 2, 3) is what"));
  CHECK_THROWS_WITH((npy_set<float, tensor<std::int32_t, 2>>(x_path, y_path)), Contains("has shape (50); (N, 2)"));
  CHECK_THROWS_WITH((npy_set<std::int32_t>(x_path)), Contains("x.npy: holds float32, and is to be read as int32"));
  CHECK_THROWS_WITH((npy_set<float, float>(x_path, y_path)),
                    Contains("y.npy: holds int64, and is to be read as float"));
  const auto few = folder.write("few.npy", array<std::uint8_t>("|u1", "(2,)", {1, 2}));
  CHECK_THROWS_WITH((npy_set<float, std::int32_t>(x_path, few)),
                    Contains("few.npy: has 2 samples, and") && Contains("50"));
  const auto nobody = folder.write("none.npy", array<std::uint8_t>("|u1", "(0, 3)", {}));
  CHECK_THROWS_WITH((npy_set<std::int32_t>(nobody)), Contains("none.npy: has shape (0, 3); every extent must be at least 1"));
  const auto one = folder.write("one.npy", array<std::uint8_t>("|u1", "()", {1}));
  CHECK_THROWS_WITH((npy_set<std::int32_t>(one)), Contains("is a single number"));
}

TEST_CASE("the shares of replicas are the batch, and no other samples are read", "[io][npy]") {
  const remat::npy_set<float, std::int32_t> data(x_path, y_path);
  for (const bool is_shuffled : {false, true})
    for (const int replicas : {1, 2, 5}) {
      remat::batch_options options{.last = remat::last_batch::keep};
      if (is_shuffled) options.shuffle_seed = 7;
      std::vector<std::vector<float>> batches, shares;
      for (auto [x, y] : data.batches(20, options)) batches.emplace_back(x.begin(), x.end());
      shares.resize(batches.size());
      options.replicas = replicas;
      for (options.replica = 0; options.replica < replicas; ++options.replica) {
        std::size_t b = 0;
        for (auto [x, y] : data.batches(20, options)) {
          CHECK(y.size() == batches[b].size() / 6 / static_cast<std::size_t>(replicas));
          shares[b].insert(shares[b].end(), x.begin(), x.end());
          ++b;
        }
      }
      CHECK(shares == batches);
    }
  const auto refuses = [&](std::size_t size, const remat::batch_options& options, const char* text) {
    CHECK_THROWS_WITH(data.batches(size, options), Contains(text));
  };
  refuses(9, {.replicas = 2}, "batch size 9 does not split over 2 replicas; a multiple of 2 is accepted");
  refuses(12, {.replicas = 3}, "the last batch, of 2 samples, does not split over 3 replicas; last_batch::drop");
  refuses(63, {.replicas = 3}, "the last batch, of 50 samples, does not split");
  refuses(10, {.replica = 2, .replicas = 2}, "replica 2 is none of 2 replicas");
  refuses(10, {.replica = -1, .replicas = 2}, "replica -1 is none");
  refuses(10, {.replicas = 0}, "is none of 0 replicas");
  CHECK(data.batches(12, {.last = remat::last_batch::drop, .replicas = 3}).count() == 4);
  // Of arrays in memory likewise.
  const std::vector<float> x = features();
  const auto in_memory = remat::in_memory(samples, x);
  std::vector<float> second;
  for (auto [share] : in_memory.batches(10, {.replica = 1, .replicas = 2}))
    second.insert(second.end(), share.begin(), share.end());
  REQUIRE(second.size() == x.size() / 2);
  CHECK(std::equal(second.begin(), second.begin() + 30, x.begin() + 30));
}

TEST_CASE("a file that is truncated between two batches is refused", "[io][npy]") {
  const auto path = folder.write("cut.npy", array("<f4", "(50, 2, 3)", features()));
  const remat::npy_set<float> data(path);
  auto batches = data.batches(5);
  auto at = batches.begin();
  std::filesystem::resize_file(path, 200);
  CHECK_THROWS_WITH(
      [&] {
        while (at != batches.end()) ++at;
      }(),
      Contains("cut.npy: cannot be read (it ends too early)"));
}

}  // namespace npy_set_tests
