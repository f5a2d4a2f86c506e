// SPDX-License-Identifier: MIT
// Tokens of text and of binary files, and windows of them.
#include <remat/remat.hpp>

#include "npy_files.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace token_windows_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using remat::number_type;

const temporary_folder folder;

std::vector<std::int32_t> read(const remat::token_file& file, std::size_t first, std::size_t count) {
  std::vector<std::int32_t> tokens(count);
  file.read(first, tokens);
  return tokens;
}

template <class T>
std::string numbers(const std::vector<T>& values) {
  return npy_files::bytes_of(values);
}

TEST_CASE("tokens are bytes of a text, numbers of a binary file, or an array", "[io][tokens]") {
  CHECK(read(remat::token_file(folder.write("a.txt", "ab\xff")), 0, 3) == std::vector<std::int32_t>{97, 98, 255});
  const std::vector<std::int32_t> expected{0, 7, 50256};
  const auto u16 = folder.write("u16.bin", numbers<std::uint16_t>({0, 7, 50256}));
  CHECK(read(remat::token_file(u16, number_type::uint16), 0, 3) == expected);
  CHECK(read(remat::token_file(u16, number_type::uint16), 2, 1) == std::vector<std::int32_t>{50256});
  CHECK_THROWS_WITH(remat::token_file(u16), Contains("u16.bin") && Contains("give its token_file a number_type"));
  CHECK(read(remat::token_file(folder.write("i32.bin", numbers(expected)), number_type::int32), 0, 3) == expected);
  CHECK(read(remat::token_file(folder.write("u16.npy", npy_files::array<std::uint16_t>("<u2", "(3,)", {0, 7, 50256}))),
             0, 3) == expected);
}

TEST_CASE("what is no file of tokens is refused by name", "[io][tokens]") {
  const auto odd = folder.write("odd.bin", "abc");
  CHECK_THROWS_WITH(remat::token_file(odd, number_type::uint16),
                    Contains("odd.bin: has 3 bytes; a multiple of 2, above 0, is accepted as tokens of uint16"));
  CHECK_THROWS_WITH(remat::token_file(folder.write("none.txt", "")), Contains("has 0 bytes; a multiple of 1, above 0"));
  CHECK_THROWS_WITH(remat::token_file(odd, number_type::float32), Contains("cannot hold tokens as float32"));
  const auto negative = folder.write("negative.bin", numbers<std::int32_t>({5, -1}));
  CHECK_THROWS_WITH(read(remat::token_file(negative, number_type::int32), 0, 2),
                    Contains("negative.bin: has -1 at place 1; tokens of at least 0 are accepted"));
  CHECK_THROWS_WITH(read(remat::token_file(odd, number_type::uint8), 1, 3),
                    Contains("has 3 tokens, and 3 from 1 on are asked for"));
  const auto square = folder.write("square.npy", npy_files::array<std::uint8_t>("|u1", "(2, 2)", {1, 2, 3, 4}));
  CHECK_THROWS_WITH(remat::token_file(square), Contains("has rank 2; an array of tokens of rank 1, (N), is accepted"));
  CHECK_THROWS_WITH(remat::token_file(square, number_type::uint8), Contains("says itself what it holds"));
  const auto floats = folder.write("floats.npy", npy_files::array<float>("<f4", "(1,)", {1}));
  CHECK_THROWS_WITH(remat::token_file(floats), Contains("holds float32, and is to be read as int32"));
  CHECK_THROWS_WITH(remat::token_file(folder.path() / "missing"), Contains("a readable file of tokens is needed"));
}

/// Token i is i.
remat::token_file counted(std::size_t size) {
  std::vector<std::uint16_t> tokens(size);
  for (std::size_t i = 0; i < size; ++i) tokens[i] = static_cast<std::uint16_t>(i);
  return {folder.write("counted.bin", numbers(tokens)), number_type::uint16};
}

/// The first token of each window, in the order of batches, after checking the others.
std::vector<std::int32_t> starts(const remat::token_windows& windows, std::size_t batch_size,
                                 const remat::batch_options& options = {}) {
  std::vector<std::int32_t> all;
  const std::size_t length = windows.length();
  for (auto [tokens, next] : windows.batches(batch_size, options)) {
    CHECK(tokens.size() == next.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i % length == 0) all.push_back(tokens[i]);
      CHECK(tokens[i] == all.back() + static_cast<std::int32_t>(i % length));
      CHECK(next[i] == tokens[i] + 1);
    }
  }
  return all;
}

TEST_CASE("windows follow each other, and their targets are the tokens after", "[io][tokens]") {
  using list = std::vector<std::int32_t>;
  CHECK(starts({counted(21), {.length = 5}}, 3) == list{0, 5, 10, 15});
  CHECK(starts({counted(20), {.length = 5}}, 3) == list{0, 5, 10});  // the last one's targets would lack one
  CHECK(starts({counted(6), {.length = 5}}, 3) == list{0});
  CHECK(starts({counted(12), {.length = 5, .stride = 2}}, 8) == list{0, 2, 4, 6});
  CHECK(starts({counted(30), {.length = 5, .stride = 10}}, 2) == list{0, 10, 20});
  CHECK(starts({counted(30), {.length = 5, .first = 7, .last = 18}}, 2) == list{7, 12});
  CHECK(starts({counted(30), {.length = 5, .first = 24}}, 2) == list{24});
  CHECK(remat::token_windows(counted(1001), {.length = 1}).size() == 1000);
  for (const remat::token_window_options& none : {remat::token_window_options{.length = 5, .last = 5},
                                                  {.length = 5, .first = 25},
                                                  {.length = 5, .first = 99},
                                                  {.length = ~std::size_t{0}},
                                                  {.length = 5, .first = 9, .last = 3}})
    CHECK_THROWS_WITH(remat::token_windows(counted(30), none), Contains("and a window with its targets takes"));
  CHECK_THROWS_WITH(remat::token_windows(counted(30), {}), Contains("a length of at least 1"));
}

TEST_CASE("a seed gives the same windows in the same order, each once", "[io][tokens]") {
  const remat::token_windows windows(counted(1000), {.length = 7});
  const auto stored = starts(windows, 4), first = starts(windows, 4, {.shuffle_seed = 3}),
             again = starts(windows, 4, {.shuffle_seed = 3}),
             next = starts(windows, 4, {.shuffle_seed = 3, .epoch = 1});
  CHECK(first == again);
  CHECK(first != next);
  CHECK(first != stored);
  CHECK(std::set(first.begin(), first.end()).size() == windows.size());
  CHECK(std::is_permutation(first.begin(), first.end(), stored.begin(), stored.end()));
  // Resumed, and in shares.
  const auto rest = starts(windows, 4, {.shuffle_seed = 3, .first = 10});
  CHECK(std::equal(rest.begin(), rest.end(), first.begin() + 40, first.end()));
  const auto share =
      starts(windows, 4, {.shuffle_seed = 3, .last = remat::last_batch::drop, .replica = 1, .replicas = 2});
  for (std::size_t i = 0; i < share.size(); ++i) CHECK(share[i] == first[i / 2 * 4 + 2 + i % 2]);
}

TEST_CASE("a language model trains and is evaluated on windows", "[io][tokens]") {
  const remat::token_file text(folder.write("text", "the quick brown fox jumps over the lazy dog, again and again."));
  const remat::token_windows windows(text, {.length = 6});
  using net = remat::sequential<nn::embedding<256, 8>, nn::linear<8, 256>>;
  remat::model<net, remat::tensor<std::int32_t, 6>, nn::cross_entropy> m{{.seed = 1}};
  remat::adam optimizer{{.learning_rate = 0.05f}};
  const double before = m.evaluate(windows.batches(4), remat::mean_loss{});
  for (std::uint64_t epoch = 0; epoch < 5; ++epoch)
    for (auto [tokens, next] : windows.batches(4, {.shuffle_seed = 1, .epoch = epoch})) {
      m.train_step(tokens, next);
      optimizer.step(m);
    }
  CHECK(m.evaluate(windows.batches(4), remat::mean_loss{}) < before);
}

}  // namespace token_windows_tests
