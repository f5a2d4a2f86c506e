// SPDX-License-Identifier: MIT
/// CIFAR-10 and CIFAR-100 in their binary versions: records of one label (CIFAR-100: a coarse and a fine one), each a
/// byte, and an image (3, 32, 32) of bytes.
///
///     cifar-10-batches-bin/     data_batch_1.bin ... data_batch_5.bin, test_batch.bin
///     cifar-100-binary/         train.bin, test.bin
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/input_file.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace remat {

/// Which of its two labels an image of CIFAR-100 is given.
enum class cifar100_label { fine, coarse };

namespace detail {

/// The records of some files, one after another: images (N, 3, 32, 32) and a label each.
class cifar_records {
 public:
  static constexpr std::size_t image = 3 * 32 * 32;

  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;

  /// Label `which` of the `labels` at the start of each record is kept, and must be below `classes`.
  void add(const std::filesystem::path& path, std::size_t labels_of_record, std::size_t which, unsigned classes) {
    const std::size_t record = labels_of_record + image;
    const input_file file(path, "a file of CIFAR's binary version is needed");
    if (file.size() == 0 || file.size() % record != 0)
      throw data_error(file.name(), "has " + std::to_string(file.size()) + " bytes; a multiple of " +
                                        std::to_string(record) + " (" + std::to_string(labels_of_record) +
                                        " of label, " + std::to_string(image) + " of image), above 0, is accepted");
    const std::size_t count = file.size() / record, before = labels.size();
    pixels.resize((before + count) * image);
    labels.resize(before + count);
    std::array<std::uint8_t, 2 + image> one;
    for (std::size_t i = 0; i < count; ++i) {
      file.read(one.data(), record, i * record);
      if (one[which] >= classes)
        throw data_error(file.name(), "record " + std::to_string(i) + " has the label " + std::to_string(one[which]) +
                                          "; labels 0 to " + std::to_string(classes - 1) + " are accepted");
      labels[before + i] = one[which];
      std::copy_n(one.data() + labels_of_record, image, pixels.data() + (before + i) * image);
    }
  }
};

}  // namespace detail
}  // namespace remat
