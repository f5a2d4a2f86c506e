// SPDX-License-Identifier: MIT
#include <remat/remat.hpp>

#include "idx_folder.hpp"

#include <catch2/catch.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace image_set_tests {

using Catch::Contains;
using remat::image_set;
using remat::split;

// A range of batches views its set, so a temporary set has none.
template <class Set>
concept HasBatches = requires(Set&& set) {
  static_cast<Set&&>(set).batches(1);
};
static_assert(HasBatches<const image_set&> && HasBatches<image_set&>);
static_assert(!HasBatches<image_set> && !HasBatches<const image_set>);

file_bytes copy(std::span<const std::uint8_t> pixels) { return {pixels.begin(), pixels.end()}; }

/// The message with which the two files are refused; empty if they are accepted.
std::string refusal(const std::filesystem::path& images, const std::filesystem::path& labels) {
  try {
    image_set::load_files(images, labels);
  } catch (const remat::data_error& refused) {
    return refused.what();
  }
  return {};
}

TEST_CASE("a set in memory gives its images, labels and shape", "[io][image_set]") {
  const image_set data{{0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6}, {4, 0}, {.channels = 3, .height = 1, .width = 2}};
  CHECK(data.size() == 2);
  CHECK(data.channels() == 3);
  CHECK(data.height() == 1);
  CHECK(data.width() == 2);
  CHECK(data.classes() == 5);
  CHECK(data.label(0) == 4);
  CHECK(data.label(1) == 0);
  CHECK(copy(data.pixels(0)) == file_bytes{0, 51, 102, 153, 204, 255});
  CHECK(copy(data.pixels(1)) == file_bytes{1, 2, 3, 4, 5, 6});
  CHECK_THROWS_WITH(data.label(2), Contains("image 2 is not in a set of 2; 0 to 1 are accepted"));
  CHECK_THROWS_AS(data.pixels(2), remat::error);
}

TEST_CASE("pixels become floats in [0, 1], normalised as asked", "[io][image_set]") {
  const file_bytes pixels{0, 51, 255};
  const image_set plain{pixels, {0}, {.height = 1, .width = 3}};
  for (auto [images, labels] : plain.batches(1)) {
    CHECK(images[0] == 0.0f);
    CHECK(images[1] == 51.0f / 255.0f);
    CHECK(images[2] == 1.0f);
  }
  const image_set normalised{pixels, {0}, {.height = 1, .width = 3}, {.mean = 0.5f, .deviation = 0.25f}};
  for (auto [images, labels] : normalised.batches(1)) {
    CHECK(images[0] == -2.0f);
    CHECK(images[1] == (51.0f / 255.0f - 0.5f) / 0.25f);
    CHECK(images[2] == 2.0f);
  }
}

TEST_CASE("a batch holds whole images one after another", "[io][image_set]") {
  const image_set data{{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120}, {0, 1, 2}, {2, 1, 2}, {0, 1 / 255.0f}};
  auto range = data.batches(2);
  CHECK(range.count() == 2);
  std::vector<std::vector<float>> images_seen;
  for (auto [images, labels] : range) images_seen.emplace_back(images.begin(), images.end());
  REQUIRE(images_seen.size() == 2);
  REQUIRE(images_seen[0].size() == 8);
  REQUIRE(images_seen[1].size() == 4);
  for (std::size_t i = 0; i < 8; ++i) CHECK(images_seen[0][i] == Approx(10 * static_cast<double>(i + 1)));
  for (std::size_t i = 0; i < 4; ++i) CHECK(images_seen[1][i] == Approx(10 * static_cast<double>(i + 9)));
}

TEST_CASE("a model of images takes those of its shape, and one of tensors any that have as many numbers",
          "[io][image_set]") {
  const image_set set(std::vector<std::uint8_t>(2 * 8), {0, 1}, {1, 2, 4});
  namespace nn = remat::nn;
  using layers = remat::sequential<nn::flatten, nn::linear<8, 2>>;
  remat::model<layers, remat::image<float, 1, 4, 2>, nn::cross_entropy> turned{{.threads = 1}};
  remat::model<layers, remat::image<float, 1, 2, 4>, nn::cross_entropy> same{{.threads = 1}};
  remat::model<nn::linear<8, 2>, remat::tensor<float, 8>, nn::cross_entropy> flat{{.threads = 1}};
  for (const auto& [images, labels] : set.batches(2)) {
    const char* const refusal = "input 0 takes images of float32 (1, 4, 2), and was given images of float32 (1, 2, 4)";
    CHECK_THROWS_WITH(turned.train_step(images, labels), Contains(refusal));
    CHECK_THROWS_WITH(turned.predict(images), Contains(refusal));
    CHECK_NOTHROW(turned.train_step(std::span<const float>(images), labels));
    CHECK_NOTHROW(same.train_step(images, labels));
    CHECK_NOTHROW(flat.train_step(images, labels));
  }
  CHECK_THROWS_WITH(turned.evaluate(set.batches(2), remat::accuracy{}), Contains("takes images of float32 (1, 4, 2)"));
}

TEST_CASE("a set that does not fit together is refused", "[io][image_set]") {
  const auto refused = [](std::size_t pixels, std::vector<std::int32_t> labels, remat::image_shape shape) {
    CHECK_THROWS_AS(image_set(file_bytes(pixels), labels, shape), remat::error);
    try {
      image_set{file_bytes(pixels), labels, shape};
    } catch (const remat::error& error) {
      return std::string{error.what()};
    }
    return std::string{};
  };
  const std::size_t huge = std::size_t{1} << 63;
  CHECK_THAT(refused(0, {}, {1, 2, 2}), Contains("at least one image with its label is needed"));
  CHECK_THAT(refused(7, {0, 1}, {1, 2, 2}), Contains("2 images of 1 x 2 x 2 cannot have 7 pixels"));
  CHECK_THAT(refused(9, {0, 1}, {1, 2, 2}), Contains("cannot have 9 pixels"));
  CHECK_THAT(refused(12, {0, 1}, {1, 2, 2}), Contains("cannot have 12 pixels"));
  CHECK_THAT(refused(0, {0, 1}, {1, 0, 2}), Contains("the product, above 0, is accepted"));
  CHECK_THAT(refused(0, {0, 1}, {1, 2, 2}), Contains("cannot have 0 pixels"));
  CHECK_THAT(refused(0, {0, 1}, {huge, 2, 2}), Contains("cannot have 0 pixels"));
  CHECK_THAT(refused(8, {0, -1}, {1, 2, 2}), Contains("image 1 has the label -1; labels from 0 are accepted"));
}

TEST_CASE("a normalisation without finite pixels is refused", "[io][image_set]") {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const remat::normalisation& scale : std::vector<remat::normalisation>{
           {0, 0}, {0, -1}, {0, nan}, {0, infinity}, {nan, 1}, {infinity, 1}, {-infinity, 1}, {1, 1e-44f}})
    CHECK_THROWS_WITH(image_set({1}, {0}, {1, 1, 1}, scale), Contains("a finite deviation above 0"));
}

TEST_CASE("a folder gives its train and test sets, the plain file where both exist", "[io][image_set]") {
  const idx_folder folder;
  folder.write("train-images-idx3-ubyte", idx_bytes({2, 1, 2}, {1, 2, 3, 4}));
  folder.write_gzip("train-images-idx3-ubyte.gz", idx_bytes({2, 1, 2}, {9, 9, 9, 9}));
  folder.write_gzip("train-labels-idx1-ubyte.gz", idx_bytes({2}, {6, 7}));
  folder.write_gzip("t10k-images-idx3-ubyte.gz", idx_bytes({1, 2, 1, 2}, {5, 6, 7, 8}));
  folder.write("t10k-labels-idx1-ubyte", idx_bytes({1}, {255}));

  const image_set train = image_set::load(folder.path(), split::train);
  CHECK(train.size() == 2);
  CHECK(train.channels() == 1);
  CHECK(train.height() == 1);
  CHECK(train.width() == 2);
  CHECK(train.classes() == 8);
  CHECK(copy(train.pixels(1)) == file_bytes{3, 4});

  const image_set test = image_set::load(folder.path(), split::test, {.mean = 0.5f, .deviation = 1});
  CHECK(test.size() == 1);
  CHECK(test.channels() == 2);
  CHECK(test.label(0) == 255);
  CHECK(copy(test.pixels(0)) == file_bytes{5, 6, 7, 8});
  for (auto [images, labels] : test.batches(1)) CHECK(images[0] == 5 / 255.0f - 0.5f);
}

TEST_CASE("files with a dot before idx are found, too", "[io][image_set]") {
  const idx_folder folder;
  folder.write("t10k-images.idx3-ubyte", idx_bytes({1, 1, 1}, {9}));
  folder.write("t10k-labels.idx1-ubyte", idx_bytes({1}, {3}));
  const image_set test = image_set::load(folder.path(), split::test);
  CHECK(test.label(0) == 3);
  CHECK(copy(test.pixels(0)) == file_bytes{9});
}

TEST_CASE("a folder that lacks a file is refused by name", "[io][image_set]") {
  const idx_folder folder;
  CHECK_THROWS_AS(image_set::load(folder.path(), split::train), remat::data_error);
  CHECK_THROWS_WITH(image_set::load(folder.path(), split::train),
                    Contains(folder.path().string() + ": has no train-images-idx3-ubyte and no train-images-"));
  folder.write("t10k-images-idx3-ubyte", idx_bytes({1, 1, 1}, {1}));
  CHECK_THROWS_WITH(image_set::load(folder.path(), split::test), Contains("has no t10k-labels-idx1-ubyte and"));
  CHECK_THROWS_WITH(image_set::load(folder.path() / "absent", split::test), Contains("absent: is not a folder"));
}

TEST_CASE("two files that do not belong together are refused by name", "[io][image_set]") {
  const idx_folder folder;
  const auto images = folder.write("images", idx_bytes({2, 1, 2}, {1, 2, 3, 4}));
  const auto labels = folder.write("labels", idx_bytes({2}, {0, 1}));
  CHECK(refusal(images, labels).empty());

  const auto three = folder.write("three", idx_bytes({3}, {0, 1, 2}));
  CHECK_THAT(refusal(images, three), Contains("three: has 3 labels for the 2 images of " + images.string()));
  const auto square = folder.write("square", idx_bytes({2, 1}, {0, 1}));
  CHECK_THAT(refusal(images, square), Contains("square: has rank 2; labels of rank 1, (N), are accepted"));
  CHECK_THAT(refusal(square, labels), Contains("square: has rank 2; images of rank 3, (N, H, W), or 4"));
  CHECK_THAT(refusal(labels, images), Contains("images: has rank 3; labels of rank 1"));
  const auto cut = folder.write("cut", idx_bytes({2, 1, 2}, {1, 2, 3}));
  CHECK_THAT(refusal(cut, labels), Contains("cut: expected 20 bytes"));
  CHECK_THAT(refusal(images, folder.path() / "absent"), Contains("absent: cannot be opened"));
}

TEST_CASE("Fashion-MNIST has its sizes, and 6000 and 1000 images of each class", "[io][image_set]") {
  const std::filesystem::path folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder)) {
    WARN("skipped: no " + folder.string());
    return;
  }
  for (const split part : {split::train, split::test}) {
    const std::size_t per_class = part == split::train ? 6000 : 1000;
    const image_set data = image_set::load(folder, part);
    CHECK(data.size() == 10 * per_class);
    CHECK(data.channels() == 1);
    CHECK(data.height() == 28);
    CHECK(data.width() == 28);
    REQUIRE(data.classes() == 10);

    std::vector<std::size_t> seen(10);
    double brightness = 0;
    for (auto [images, labels] : data.batches(256, {.shuffle_seed = 1})) {
      for (const std::int32_t label : labels) ++seen[static_cast<std::size_t>(label)];
      for (const float pixel : images) brightness += pixel;
    }
    CHECK(seen == std::vector<std::size_t>(10, per_class));
    CHECK(brightness / (7840.0 * static_cast<double>(per_class)) == Approx(0.286).margin(0.002));  // as published
  }
}

TEST_CASE("the first images of a set") {
  const remat::image_set set({1, 2, 3, 4, 5, 6}, {0, 2, 1}, {.height = 1, .width = 2});
  const remat::image_set two = set.first(2);
  CHECK(two.size() == 2);
  CHECK(two.classes() == set.classes());
  CHECK(two.pixels(1)[1] == 4);
  CHECK(set.first(10).size() == 3);
  CHECK_THROWS_AS(set.first(0), remat::error);
}

}  // namespace image_set_tests
