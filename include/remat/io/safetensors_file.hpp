// SPDX-License-Identifier: MIT
/// Safetensors files: named tensors after a JSON header, the format in which weights of PyTorch models are exchanged.
///
///     8 bytes   the header's length in bytes, little-endian
///     header    names, types, shapes and places of the tensors (safetensors_header.hpp)
///     data      the tensors, row-major and little-endian, each at its offset from here, without gaps
///
/// A file is accepted whole or not at all, before any tensor is read: the header is not trusted. It is mapped into
/// memory, and tensors, or parts of them, are copied to where they are needed, so that no second copy of them is in
/// memory. safetensors_writer.hpp writes such files; tensor_files.hpp reads several as one.
#pragma once

#include <remat/core/bfloat16.hpp>
#include <remat/core/element.hpp>
#include <remat/core/error.hpp>
#include <remat/core/half_float.hpp>
#include <remat/core/shown_text.hpp>
#include <remat/io/mapped_file.hpp>
#include <remat/io/safetensors_header.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace remat {

namespace detail {

static_assert(std::endian::native == std::endian::little,
              "remat: safetensors files are little-endian, and are read and written on such machines only");

}  // namespace detail

/// A file that is open for reading; its header has been checked.
class safetensors_file {
 public:
  /// Throws `data_error`, naming the file, for everything that is wrong with it.
  explicit safetensors_file(const std::filesystem::path& path) : file_(path, "a readable safetensors file is needed") {
    const std::size_t size = file_.size();
    std::uint64_t header = 0;
    if (size < sizeof header) refuse("is no safetensors file: it has " + std::to_string(size) + " bytes, not even 8");
    file_.read(&header, sizeof header, 0);
    if (header > largest_header || header > size - sizeof header)
      refuse("is truncated or no safetensors file: it announces a header of " + std::to_string(header) +
             " bytes, and has " + std::to_string(size) + " bytes in all; headers of up to " +
             std::to_string(largest_header) + " bytes are accepted");
    std::string text(static_cast<std::size_t>(header), '\0');
    file_.read(text.data(), text.size(), sizeof header);
    data_ = sizeof header + static_cast<std::size_t>(header);
    tensors_ = detail::parse_safetensors_header(text, size - data_, name());
    identity_ = file_.identity() ^ std::hash<std::string>()(text);
  }

  const std::string& name() const { return file_.name(); }
  /// The same on every host for one file with these tensors, and another after it has been written again.
  std::uint64_t identity() const { return identity_; }
  /// All tensors, in the order of their bytes.
  std::span<const safetensor> tensors() const { return tensors_; }
  /// Null for a name that the file does not have.
  const safetensor* find(std::string_view name) const {
    const auto found = std::ranges::find(tensors_, name, &safetensor::name);
    return found == tensors_.end() ? nullptr : &*found;
  }
  /// Whether `read` takes a type for elements of another: their own, and for float32 F16, BF16 and F64, which it
  /// converts.
  static bool is_readable(std::string_view type, element as = element::float32) {
    if (as != element::float32) return type == safetensor_type(as);
    return type == "F32" || type == "F16" || type == "BF16" || type == "F64";
  }
  /// The types that `read` takes, as messages list them.
  static std::string readable_types(element as) {
    return as == element::float32 ? "F32, F16, BF16 and F64" : std::string(safetensor_type(as));
  }

  /// Copies bytes of a tensor of this file, as they are stored, from byte `from` of it on.
  void read_bytes(const safetensor& t, std::size_t from, std::span<std::byte> to) const {
    file_.read(to.data(), to.size(), data_ + t.begin + from);
  }

  /// Reads elements of a tensor of this file, from element `first` on, into memory of elements of a type. What F64 has
  /// beyond float is rounded away.
  void read_part(const safetensor& t, element as, std::size_t first, std::span<std::byte> to) const {
    const std::size_t count = to.size() / size_of(as);
    if (!is_readable(t.type, as))
      refuse("tensor '" + detail::shown_text(t.name) + "' is of type " + detail::shown_text(t.type) + "; " +
             readable_types(as) + " can be read as " + (as == element::float32 ? "float" : std::string(name_of(as))));
    if (first > t.elements() || count > t.elements() - first)
      refuse("tensor '" + detail::shown_text(t.name) + "' has " + std::to_string(t.elements()) +
             " elements, and those from " + std::to_string(first) + " to " + std::to_string(first + count) +
             " are asked for");
    if (t.type == safetensor_type(as)) return read_bytes(t, first * size_of(as), to);
    const std::span<float> floats(reinterpret_cast<float*>(to.data()), count);
    if (t.type == "F16") return convert<std::uint16_t>(t, first, floats, detail::float_of_half);
    if (t.type == "BF16") return convert<bfloat16>(t, first, floats, [](bfloat16 x) { return static_cast<float>(x); });
    convert<double>(t, first, floats, [](double x) { return static_cast<float>(x); });
  }
  /// Reads a whole one into as many floats.
  void read(const safetensor& t, std::span<float> to) const {
    if (is_readable(t.type) && t.elements() != to.size())
      refuse("tensor '" + detail::shown_text(t.name) + "' has " + std::to_string(t.elements()) +
             " elements, and is read into " + std::to_string(to.size()));
    read_part(t, element::float32, 0, std::as_writable_bytes(to));
  }

 private:
  static constexpr std::uint64_t largest_header = 100'000'000;  // as the format's own implementation

  [[noreturn]] void refuse(const std::string& what) const { throw data_error(name(), what); }

  template <class T, class F>
  void convert(const safetensor& t, std::size_t first, std::span<float> to, const F& to_float) const {
    std::array<T, 4096> piece;
    while (!to.empty()) {
      const std::size_t count = std::min(piece.size(), to.size());
      read_bytes(t, first * sizeof(T), std::as_writable_bytes(std::span(piece).first(count)));
      std::transform(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count), to.begin(), to_float);
      first += count;
      to = to.subspan(count);
    }
  }

  mapped_file file_;
  std::size_t data_ = 0;  // where the data begins
  std::uint64_t identity_ = 0;
  std::vector<safetensor> tensors_;
};

}  // namespace remat
