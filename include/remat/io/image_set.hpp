// SPDX-License-Identifier: MIT
/// A labelled set of images for classification, from IDX files (MNIST, Fashion-MNIST), CIFAR's, or memory.
///
///     const auto data = remat::image_set::load("/usr/share/datasets/fashion-mnist", remat::split::train);
///     for (auto [images, labels] : data.batches(64)) ...
///
///     const auto data = remat::image_set::load_cifar10("cifar-10-batches-bin", remat::split::train,
///                                                      {.mean = {0.4914f, 0.4822f, 0.4465f},
///                                                       .deviation = {0.2470f, 0.2435f, 0.2616f}});
///
/// Pixels stay bytes (60,000 images of 28 x 28 are 47 MB) and become floats batch by batch: byte / 255, normalised.
#pragma once

#include <remat/core/compilation.hpp>
#include <remat/core/error.hpp>
#include <remat/io/batches.hpp>
#include <remat/io/cifar.hpp>
#include <remat/io/idx.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace remat {

/// Which part of a data set.
enum class split { train, test };

/// A number for all channels, or one for each.
class each_channel {
 public:
  each_channel(float of_all) : values_{of_all} {}
  each_channel(std::initializer_list<float> of_each) : values_(of_each) {}

  std::size_t size() const { return values_.size(); }
  float operator[](std::size_t channel) const { return values_.size() == 1 ? values_.front() : values_[channel]; }

 private:
  std::vector<float> values_;
};

/// What happens to a pixel in [0, 1]: `(pixel - mean) / deviation`.
struct normalisation {
  each_channel mean = 0;
  each_channel deviation = 1;
};

/// The shape of one image.
struct image_shape {
  std::size_t channels = 1;
  std::size_t height = 0;
  std::size_t width = 0;
};

inline namespace REMAT_COMPILATION {

/// Requires of the vectors: one label >= 0 per image, `channels * height * width` pixels per image, at least one image.
class image_set {
 public:
  image_set(std::vector<std::uint8_t> pixels, std::vector<std::int32_t> labels, image_shape shape,
            const normalisation& scale = {});

  /// Reads `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` (test: `t10k-...`) from a folder, plain or `.gz`.
  static image_set load(const std::filesystem::path& folder, split part, const normalisation& scale = {});

  /// Reads images (N, H, W) or (N, C, H, W), and labels (N), from two IDX files.
  static image_set load_files(const std::filesystem::path& images_path, const std::filesystem::path& labels_path,
                              const normalisation& scale = {});

  /// Reads `data_batch_1.bin` to `data_batch_5.bin` (test: `test_batch.bin`) from a folder.
  static image_set load_cifar10(const std::filesystem::path& folder, split part, const normalisation& scale = {});
  /// Reads `train.bin` or `test.bin` from a folder.
  static image_set load_cifar100(const std::filesystem::path& folder, split part, const normalisation& scale = {},
                                 cifar100_label label = cifar100_label::fine);

  /// A set of the first `count` images, or of all where there are fewer.
  image_set first(std::size_t count) const;

  std::size_t size() const { return labels_.size(); }
  std::size_t channels() const { return shape_.channels; }
  std::size_t height() const { return shape_.height; }
  std::size_t width() const { return shape_.width; }

  /// The largest label + 1, of the whole set also where it is one of the first images of it.
  std::size_t classes() const { return classes_; }

  std::int32_t label(std::size_t i) const {
    check_index(i);
    return labels_[i];
  }

  /// The pixels of image i as stored, (C, H, W).
  std::span<const std::uint8_t> pixels(std::size_t i) const {
    check_index(i);
    const std::size_t pixels_per_image = pixels_.size() / size();
    return std::span{pixels_}.subspan(i * pixels_per_image, pixels_per_image);
  }

  /// The images as floats, `batch_size` at a time. The range views this set, which therefore must not be a temporary.
  batch_range batches(std::size_t batch_size, const batch_options& options = {}) const& {
    require_images();
    return batch_range{
        {pixels_, labels_, values_, {shape_.channels, shape_.height, shape_.width}}, batch_size, options};
  }
  batch_range batches(std::size_t batch_size, const batch_options& options = {}) const&& = delete;

 private:
  image_set() = default;

  void normalise(const normalisation& scale);

  /// Only a set that was moved from has none.
  void require_images() const {
    if (labels_.empty())
      throw error("this image set was moved from and holds no images; use the one that it was moved to");
  }
  void check_index(std::size_t i) const {
    require_images();
    if (i >= size())
      throw error("image " + std::to_string(i) + " is not in a set of " + std::to_string(size()) + "; 0 to " +
                  std::to_string(size() - 1) + " are accepted");
  }

  std::vector<std::uint8_t> pixels_;  // (N, C, H, W)
  std::vector<std::int32_t> labels_;  // (N)
  image_shape shape_;
  std::vector<float> values_;  // that bytes mean: 256 for all channels, or for each
  std::size_t classes_ = 0;
};

}  // namespace REMAT_COMPILATION

#if REMAT_HAS_DEFINITIONS

namespace detail {

/// `folder/name` or `folder/name.gz`; the plain file where both exist. Some copies of the data sets are called
/// train-images.idx3-ubyte, with a dot.
inline std::filesystem::path plain_or_gzip(const std::filesystem::path& folder, const std::string& name) {
  const auto type_of = [](const std::filesystem::path& path) {
    std::error_code why;
    const std::filesystem::file_status found = std::filesystem::status(path, why);
    if (found.type() == std::filesystem::file_type::none)  // another reason than that it is not there
      throw data_error(path.string(), "cannot be opened (" + why.message() + ")");
    return found.type();
  };
  if (type_of(folder) != std::filesystem::file_type::directory)
    throw data_error(folder.string(), "is not a folder; one with " + name + " or " + name + ".gz is needed");
  std::string dotted = name;
  dotted[dotted.find("-idx")] = '.';
  for (const std::string& candidate : {name, name + ".gz", dotted, dotted + ".gz"})
    if (type_of(folder / candidate) != std::filesystem::file_type::not_found) return folder / candidate;
  throw data_error(folder.string(), "has no " + name + " and no " + name + ".gz; one of them is needed");
}

}  // namespace detail

REMAT_DEFINED image_set::image_set(std::vector<std::uint8_t> pixels, std::vector<std::int32_t> labels,
                                   image_shape shape, const normalisation& scale)
    : pixels_(std::move(pixels)), labels_(std::move(labels)), shape_(shape) {
  normalise(scale);
  if (labels_.empty()) throw error("an image set has no labels; at least one image with its label is needed");
  std::size_t left = pixels_.size() / size();
  const bool is_whole = pixels_.size() % size() == 0;
  for (const std::size_t extent : {channels(), height(), width()})  // divided, since a product could overflow
    left = extent != 0 && left % extent == 0 ? left / extent : 0;
  if (!is_whole || left != 1)
    throw error(std::to_string(size()) + " images of " + std::to_string(channels()) + " x " + std::to_string(height()) +
                " x " + std::to_string(width()) + " cannot have " + std::to_string(pixels_.size()) +
                " pixels; the product, above 0, is accepted");
  for (std::size_t i = 0; i < size(); ++i) {
    if (labels_[i] < 0)
      throw error("image " + std::to_string(i) + " has the label " + std::to_string(labels_[i]) +
                  "; labels from 0 are accepted");
    if (static_cast<std::size_t>(labels_[i]) >= classes_) classes_ = static_cast<std::size_t>(labels_[i]) + 1;
  }
}

REMAT_DEFINED image_set image_set::load(const std::filesystem::path& folder, split part, const normalisation& scale) {
  const std::string prefix = part == split::train ? "train" : "t10k";
  const std::filesystem::path images = detail::plain_or_gzip(folder, prefix + "-images-idx3-ubyte");
  const std::filesystem::path labels = detail::plain_or_gzip(folder, prefix + "-labels-idx1-ubyte");
  return load_files(images, labels, scale);
}

REMAT_DEFINED image_set image_set::load_files(const std::filesystem::path& images_path,
                                              const std::filesystem::path& labels_path, const normalisation& scale) {
  const idx_array labels = read_idx(labels_path);  // first: a mistake in the small file is found at once
  if (labels.extents.size() != 1)
    throw data_error(labels_path.string(),
                     "has rank " + std::to_string(labels.extents.size()) + "; labels of rank 1, (N), are accepted");
  idx_array images = read_idx(images_path);
  const std::size_t rank = images.extents.size();
  if (rank != 3 && rank != 4)
    throw data_error(images_path.string(), "has rank " + std::to_string(rank) +
                                               "; images of rank 3, (N, H, W), or 4, (N, C, H, W), are accepted");
  if (images.extents[0] != labels.extents[0])
    throw data_error(labels_path.string(), "has " + std::to_string(labels.extents[0]) + " labels for the " +
                                               std::to_string(images.extents[0]) + " images of " +
                                               images_path.string() + "; one for each is needed");
  const image_shape shape{rank == 4 ? images.extents[1] : 1u, images.extents[rank - 2], images.extents[rank - 1]};
  return image_set{std::move(images.bytes), {labels.bytes.begin(), labels.bytes.end()}, shape, scale};
}

REMAT_DEFINED image_set image_set::load_cifar10(const std::filesystem::path& folder, split part,
                                                const normalisation& scale) {
  detail::cifar_records records;
  if (part == split::test) records.add(folder / "test_batch.bin", 1, 0, 10);
  for (int i = 1; part == split::train && i <= 5; ++i)
    records.add(folder / ("data_batch_" + std::to_string(i) + ".bin"), 1, 0, 10);
  return image_set{std::move(records.pixels), std::move(records.labels), {3, 32, 32}, scale};
}

REMAT_DEFINED image_set image_set::load_cifar100(const std::filesystem::path& folder, split part,
                                                 const normalisation& scale, cifar100_label label) {
  const bool is_fine = label == cifar100_label::fine;
  detail::cifar_records records;
  records.add(folder / (part == split::train ? "train.bin" : "test.bin"), 2, is_fine ? 1 : 0, is_fine ? 100 : 20);
  return image_set{std::move(records.pixels), std::move(records.labels), {3, 32, 32}, scale};
}

REMAT_DEFINED image_set image_set::first(std::size_t count) const {
  require_images();
  if (count == 0) throw error("an image set holds at least one image; ask for the first 1 or more");
  if (count >= size()) return *this;
  image_set some;
  some.pixels_.assign(pixels_.begin(), pixels_.begin() + static_cast<std::ptrdiff_t>(pixels_.size() / size() * count));
  some.labels_.assign(labels_.begin(), labels_.begin() + static_cast<std::ptrdiff_t>(count));
  some.shape_ = shape_;
  some.values_ = values_;
  some.classes_ = classes_;
  return some;
}

REMAT_DEFINED void image_set::normalise(const normalisation& scale) {
  for (const std::size_t given : {scale.mean.size(), scale.deviation.size()})
    if (given != 1 && given != channels())
      throw error("a normalisation has " + std::to_string(given) + " numbers for images of " +
                  std::to_string(channels()) + " channels; one, or one for each, is accepted");
  const bool is_one = scale.mean.size() == 1 && scale.deviation.size() == 1;
  values_.resize(256 * (is_one ? 1 : channels()));
  const auto is_finite = [](float x) { return x - x == 0; };
  for (std::size_t c = 0; c < values_.size() / 256; ++c) {
    const float mean = scale.mean[c], deviation = scale.deviation[c];
    float* const values = values_.data() + 256 * c;
    for (std::size_t byte = 0; byte < 256; ++byte)
      values[byte] = (static_cast<float>(byte) / 255.0f - mean) / deviation;
    if (!(deviation > 0 && is_finite(deviation) && is_finite(values[0]) && is_finite(values[255])))
      throw error("normalisation {" + std::to_string(mean) + ", " + std::to_string(deviation) + "}" +
                  (is_one ? "" : " of channel " + std::to_string(c)) +
                  " gives no finite pixels; a finite mean and a finite deviation above 0 are accepted");
  }
}

#endif

}  // namespace remat
