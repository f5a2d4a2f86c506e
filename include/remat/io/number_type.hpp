// SPDX-License-Identifier: MIT
/// Numbers as data files hold them, little-endian, read as float or int32: what models take.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/half_float.hpp>
#include <remat/io/mapped_file.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace remat {

enum class number_type : std::uint8_t {
  boolean,
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  uint64,
  int64,
  float16,
  float32,
  float64
};

namespace detail {

static_assert(std::endian::native == std::endian::little,
              "remat: data files are little-endian, and are read on such machines only");

/// What is known of a type: its name, numpy's for it, and its bytes.
struct number_facts {
  std::string_view name, descr;
  std::size_t bytes;
};
/// One row for each, in the order of the enumeration.
inline constexpr std::array<number_facts, 12> number_table{{{"bool", "|b1", 1},
                                                            {"uint8", "|u1", 1},
                                                            {"int8", "|i1", 1},
                                                            {"uint16", "<u2", 2},
                                                            {"int16", "<i2", 2},
                                                            {"uint32", "<u4", 4},
                                                            {"int32", "<i4", 4},
                                                            {"uint64", "<u8", 8},
                                                            {"int64", "<i8", 8},
                                                            {"float16", "<f2", 2},
                                                            {"float32", "<f4", 4},
                                                            {"float64", "<f8", 8}}};
constexpr const number_facts& facts_of(number_type type) { return number_table[static_cast<std::size_t>(type)]; }

/// Whether numbers of a type are read as T: floats as float, whole numbers as int32.
template <class T>
constexpr bool is_read_as(number_type type) {
  return (type >= number_type::float16) == std::same_as<T, float>;
}
template <class T>
constexpr std::string_view types_read_as() {
  return std::same_as<T, float> ? "float16, float32 and float64" : "bool and integers of 8 to 64 bits";
}

/// Reads numbers that are stored as Stored, in pieces: to[i] = convert(number, i).
template <class Stored, class T, class F>
void convert_numbers(const mapped_file& file, std::size_t from, std::span<T> to, const F& convert) {
  std::array<Stored, 4096> piece;
  for (std::size_t done = 0; done < to.size();) {
    const std::size_t count = std::min(piece.size(), to.size() - done);
    file.read(piece.data(), count * sizeof(Stored), from + done * sizeof(Stored));
    for (std::size_t i = 0; i < count; ++i) to[done + i] = convert(piece[i], done + i);
    done += count;
  }
}

/// Reads numbers `first` and what follows of those that begin at byte `data` of a file. Throws `data_error` for one
/// that is no int32.
template <class T>
void read_numbers(const mapped_file& file, number_type type, std::size_t data, std::size_t first, std::span<T> to) {
  const std::size_t from = data + first * facts_of(type).bytes;
  if constexpr (std::same_as<T, float>) {
    switch (type) {
      case number_type::float16:
        return convert_numbers<std::uint16_t>(file, from, to, [](auto x, std::size_t) { return float_of_half(x); });
      case number_type::float64:
        return convert_numbers<double>(file, from, to, [](double x, std::size_t) { return static_cast<float>(x); });
      default:
        return file.read(to.data(), to.size_bytes(), from);
    }
  } else {
    const auto whole = [&](auto x, std::size_t i) {
      if (!std::in_range<std::int32_t>(x))
        throw data_error(file.name(), "has " + std::to_string(x) + " at place " + std::to_string(first + i) +
                                          "; numbers from -2147483648 to 2147483647 are accepted");
      return static_cast<std::int32_t>(x);
    };
    switch (type) {
      case number_type::int8:
        return convert_numbers<std::int8_t>(file, from, to, whole);
      case number_type::uint16:
        return convert_numbers<std::uint16_t>(file, from, to, whole);
      case number_type::int16:
        return convert_numbers<std::int16_t>(file, from, to, whole);
      case number_type::uint32:
        return convert_numbers<std::uint32_t>(file, from, to, whole);
      case number_type::int32:
        return file.read(to.data(), to.size_bytes(), from);
      case number_type::uint64:
        return convert_numbers<std::uint64_t>(file, from, to, whole);
      case number_type::int64:
        return convert_numbers<std::int64_t>(file, from, to, whole);
      default:
        return convert_numbers<std::uint8_t>(file, from, to, whole);
    }
  }
}

}  // namespace detail

constexpr std::string_view name_of(number_type type) { return detail::facts_of(type).name; }
/// Bytes of one.
constexpr std::size_t size_of(number_type type) { return detail::facts_of(type).bytes; }

}  // namespace remat
