// SPDX-License-Identifier: MIT
/// Safetensors files: named tensors after a JSON header, the format in which weights of PyTorch models are exchanged.
///
///     8 bytes   the header's length in bytes, little-endian
///     header    names, types, shapes and places of the tensors (safetensors_header.hpp)
///     data      the tensors, row-major and little-endian, each at its offset from here, without gaps
///
/// A file is accepted whole or not at all, before any tensor is read: the header is not trusted. Tensors are read one
/// by one, in pieces, so that no second copy of them is in memory. safetensors_writer.hpp writes such files.
#pragma once

#include <remat/core/element.hpp>
#include <remat/core/error.hpp>
#include <remat/core/input_file.hpp>
#include <remat/io/safetensors_header.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace remat {

namespace detail {

static_assert(std::endian::native == std::endian::little,
              "remat: safetensors files are little-endian, and are read and written on such machines only");
static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);

inline float float_of_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half} >> 15 << 31, exponent = half >> 10 & 31, fraction = half & 1023;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  return std::bit_cast<float>(sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13);
}
inline float float_of_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

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
  }

  const std::string& name() const { return file_.name(); }
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

  /// Whether two tensors have the same type, shape and bytes.
  bool has_equal(const safetensor& a, const safetensor& b) const {
    if (a.type != b.type || a.shape != b.shape || a.end - a.begin != b.end - b.begin) return false;
    std::array<char, 16384> of_a, of_b;
    for (std::size_t at = 0; at < a.end - a.begin; at += of_a.size()) {
      const std::size_t count = std::min(of_a.size(), a.end - a.begin - at);
      file_.read(of_a.data(), count, data_ + a.begin + at);
      file_.read(of_b.data(), count, data_ + b.begin + at);
      if (!std::equal(of_a.begin(), of_a.begin() + static_cast<std::ptrdiff_t>(count), of_b.begin())) return false;
    }
    return true;
  }

  /// Reads a tensor of this file into memory of as many elements of a type.
  void read(const safetensor& t, element as, std::span<std::byte> to) {
    if (as == element::float32) return read(t, {reinterpret_cast<float*>(to.data()), to.size() / sizeof(float)});
    require_fits(t, as, to.size() / size_of(as));
    file_.read(to.data(), to.size(), data_ + t.begin);
  }
  /// Reads one into as many floats. What F64 has beyond float is rounded away.
  void read(const safetensor& t, std::span<float> to) {
    require_fits(t, element::float32, to.size());
    const std::size_t from = data_ + t.begin;
    if (t.type == "F32") return file_.read(to.data(), to.size_bytes(), from);
    if (t.type == "F16") return convert<std::uint16_t>(to, from, detail::float_of_half);
    if (t.type == "BF16") return convert<std::uint16_t>(to, from, detail::float_of_bfloat);
    convert<double>(to, from, [](double x) { return static_cast<float>(x); });
  }

 private:
  static constexpr std::uint64_t largest_header = 100'000'000;  // as the format's own implementation

  [[noreturn]] void refuse(const std::string& what) const { throw data_error(name(), what); }

  void require_fits(const safetensor& t, element as, std::size_t elements) const {
    if (!is_readable(t.type, as))
      refuse("tensor '" + t.name + "' is of type " + t.type + "; " + readable_types(as) + " can be read as " +
             (as == element::float32 ? "float" : std::string(name_of(as))));
    if (t.elements() != elements)
      refuse("tensor '" + t.name + "' has " + std::to_string(t.elements()) + " elements, and is read into " +
             std::to_string(elements));
  }

  template <class T, class F>
  void convert(std::span<float> to, std::size_t from, const F& to_float) {
    std::array<T, 4096> piece;
    while (!to.empty()) {
      const std::size_t count = std::min(piece.size(), to.size());
      file_.read(piece.data(), count * sizeof(T), from);
      from += count * sizeof(T);
      std::transform(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count), to.begin(), to_float);
      to = to.subspan(count);
    }
  }

  input_file file_;
  std::size_t data_ = 0;  // where the data begins
  std::vector<safetensor> tensors_;
};

}  // namespace remat
