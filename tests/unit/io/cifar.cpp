// SPDX-License-Identifier: MIT
// CIFAR's binary files, and normalisation by channel.
#include <remat/io/image_set.hpp>

#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace cifar_tests {

using Catch::Matchers::Contains;
using remat::image_set, remat::split;

/// A record with these labels, whose channels hold `value`, `value` + 1 and `value` + 2.
std::string record(const std::string& labels, unsigned char value) {
  std::string bytes = labels;
  for (unsigned c = 0; c < 3; ++c) bytes += std::string(32 * 32, static_cast<char>(value + c));
  return bytes;
}

TEST_CASE("CIFAR-10's files are one set after another", "[io][cifar]") {
  const temporary_folder folder;
  for (unsigned i = 1; i <= 5; ++i) {
    const char first = static_cast<char>(i), second = static_cast<char>(i + 4);
    folder.write("data_batch_" + std::to_string(i) + ".bin",
                 record({first}, static_cast<unsigned char>(10 * i)) + record({second}, 200));
  }
  folder.write("test_batch.bin", record({'\3'}, 7));
  const image_set train = image_set::load_cifar10(folder.path(), split::train);
  CHECK(train.size() == 10);
  CHECK((train.channels() == 3 && train.height() == 32 && train.width() == 32 && train.classes() == 10));
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(train.label(2 * i) == static_cast<std::int32_t>(i + 1));
    CHECK(train.label(2 * i + 1) == static_cast<std::int32_t>(i + 5));
    CHECK(train.pixels(2 * i)[0] == 10 * (i + 1));
    CHECK(train.pixels(2 * i)[3 * 1024 - 1] == 10 * (i + 1) + 2);
  }
  CHECK(image_set::load_cifar10(folder.path(), split::test).label(0) == 3);

  folder.write("test_batch.bin", record({'\12'}, 7));
  const auto load = [&] { image_set::load_cifar10(folder.path(), split::test); };
  CHECK_THROWS_WITH(load(), Contains("test_batch.bin: record 0 has the label 10; labels 0 to 9 are accepted"));
  folder.write("test_batch.bin", record({'\3'}, 7) + "x");
  CHECK_THROWS_WITH(load(), Contains("has 3074 bytes; a multiple of 3073"));
  folder.write("test_batch.bin", "");
  CHECK_THROWS_WITH(load(), Contains("has 0 bytes"));
  std::filesystem::remove(folder.path() / "data_batch_3.bin");
  CHECK_THROWS_WITH(image_set::load_cifar10(folder.path(), split::train),
                    Contains("data_batch_3.bin: cannot be opened (No such file"));
}

TEST_CASE("CIFAR-100 has a coarse and a fine label", "[io][cifar]") {
  const temporary_folder folder;
  folder.write("train.bin", record({'\5', '\143'}, 1) + record({'\0', '\1'}, 2));
  const image_set fine = image_set::load_cifar100(folder.path(), split::train);
  CHECK((fine.size() == 2 && fine.label(0) == 99 && fine.label(1) == 1));
  CHECK(fine.pixels(1)[0] == 2);
  CHECK(image_set::load_cifar100(folder.path(), split::train, {}, remat::cifar100_label::coarse).label(0) == 5);
}

TEST_CASE("each channel has its mean and deviation", "[io][cifar]") {
  const image_set set({51, 102, 153, 51, 102, 153}, {0, 1}, {.channels = 3, .height = 1, .width = 1},
                      {.mean = {0.2f, 0.1f, 0.0f}, .deviation = {1, 2, 0.5f}});
  for (auto [images, labels] : set.batches(2))
    for (std::size_t n = 0; n < 2; ++n) {
      CHECK(images[3 * n] == Approx(0));
      CHECK(images[3 * n + 1] == Approx(0.15));
      CHECK(images[3 * n + 2] == Approx(1.2));
    }
  const image_set mixed({0, 255}, {0}, {.channels = 2, .height = 1, .width = 1}, {.mean = {0, 1}, .deviation = 2});
  for (auto [images, labels] : mixed.batches(1)) CHECK((images[0] == 0 && images[1] == 0));
  CHECK_THROWS_WITH(image_set({1}, {0}, {1, 1, 1}, {.mean = {0, 0, 0}}),
                    Contains("a normalisation has 3 numbers for images of 1 channels"));
  CHECK_THROWS_WITH(image_set({1, 1}, {0}, {2, 1, 1}, {.deviation = {1, 0}}), Contains("of channel 1 gives no finite"));
}

}  // namespace cifar_tests
