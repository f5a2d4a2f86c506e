// SPDX-License-Identifier: MIT
// Arrays of numpy's, of every type that is read, and files that lie.
#include <remat/io/npy_array.hpp>

#include "npy_files.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace npy_array_tests {

using Catch::Matchers::Contains, Catch::Matchers::StartsWith;
using npy_files::array, npy_files::file_of;

const temporary_folder folder;

/// The message with which a file is refused; empty if it is accepted.
std::string refusal(const std::string& contents) {
  try {
    const remat::npy_array opened(folder.write("wrong.npy", contents));
  } catch (const remat::data_error& refused) {
    CHECK_THAT(refused.what(), StartsWith((folder.path() / "wrong.npy").string() + ": "));
    return refused.what();
  }
  return {};
}
/// Of an array of 8 bytes.
std::string refused_text(const std::string& text) { return refusal(file_of(text, std::string(8, '\1'))); }

template <class To, class T>
void check_read(const std::string& descr, const std::vector<T>& stored, const std::vector<To>& expected) {
  INFO(descr);
  const remat::npy_array opened(
      folder.write("a.npy", array(descr, "(" + std::to_string(stored.size()) + ",)", stored)));
  std::vector<To> found(stored.size());
  opened.read(0, std::span(found));
  CHECK(found == expected);
  opened.read(1, std::span(found).first(1));
  CHECK(found.front() == expected[1]);
  using other = std::conditional_t<std::is_same_v<To, float>, std::int32_t, float>;
  CHECK_THROWS_WITH(opened.template read<other>(0, {}), Contains("a.npy: holds ") && Contains("is to be read as"));
}

TEST_CASE("numbers of every type come back", "[io][npy]") {
  check_read<std::int32_t, std::uint8_t>("|b1", {0, 1, 1}, {0, 1, 1});
  check_read<std::int32_t, std::uint8_t>("|u1", {0, 255, 7}, {0, 255, 7});
  check_read<std::int32_t, std::int8_t>("|i1", {-128, 127}, {-128, 127});
  check_read<std::int32_t, std::uint16_t>("<u2", {65535, 1}, {65535, 1});
  check_read<std::int32_t, std::int16_t>("<i2", {-32768, 1}, {-32768, 1});
  check_read<std::int32_t, std::uint32_t>("<u4", {2147483647, 1}, {2147483647, 1});
  check_read<std::int32_t, std::int32_t>("<i4", {-5, 1}, {-5, 1});
  check_read<std::int32_t, std::uint64_t>("<u8", {5, 1}, {5, 1});
  check_read<std::int32_t, std::int64_t>("<i8", {-2147483648, 2147483647}, {-2147483648, 2147483647});
  check_read<float, std::uint16_t>("<f2", {0x3c00, 0xc000}, {1, -2});
  check_read<float, float>("<f4", {0.1f, -2}, {0.1f, -2});
  check_read<float, double>("<f8", {0.1, -1e300}, {0.1f, -std::numeric_limits<float>::infinity()});
  // More than a piece, from the middle.
  std::vector<std::int64_t> many(10'000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::int64_t>(i);
  const remat::npy_array opened(folder.write("many.npy", array("<i8", "(100, 100)", many)));
  std::vector<std::int32_t> some(9'000);
  opened.read(500, std::span(some));
  CHECK(some.front() == 500);
  CHECK(some.back() == 9'499);
  CHECK(std::vector(opened.shape().begin(), opened.shape().end()) == std::vector<std::size_t>{100, 100});
  CHECK_THROWS_WITH(opened.read(1'001, std::span(some)), Contains("has 10000 numbers, and 9000 from 1001 on"));
}

TEST_CASE("whole numbers that are no int32 are refused by place and value", "[io][npy]") {
  std::vector<std::int32_t> to(3);
  const auto read = [&](const std::string& contents) {
    remat::npy_array(folder.write("large.npy", contents)).read(0, std::span(to));
  };
  CHECK_THROWS_WITH(
      read(array<std::int64_t>("<i8", "(3,)", {1, 2, 2147483648})),
      Contains("large.npy: has 2147483648 at place 2; numbers from -2147483648 to 2147483647 are accepted"));
  CHECK_THROWS_WITH(read(array<std::uint32_t>("<u4", "(3,)", {1, 4294967295, 2})),
                    Contains("has 4294967295 at place 1"));
  CHECK_THROWS_WITH(read(array<std::uint64_t>("<u8", "(3,)", {~0ull, 1, 2})), Contains("at place 0"));
}

TEST_CASE("a header of any version, order and spacing is read", "[io][npy]") {
  CHECK(refused_text("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }").empty());
  CHECK(refused_text("{'shape':(1,2),'descr':'<f4','fortran_order':False}").empty());
  CHECK(refused_text(R"({ "descr" : "<f8" , "shape" : ( ) , "fortran_order" : False , })").empty());
  const std::string text = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 8), }\n";
  for (const char version : {'\2', '\3'})
    CHECK(refusal(std::string("\x93NUMPY") + version + '\0' + static_cast<char>(text.size()) + std::string(3, '\0') +
                  text + "12345678")
              .empty());
  CHECK_THAT(refusal(std::string("\x93NUMPY\4\0", 8) + static_cast<char>(text.size()) + std::string(3, '\0') + text),
             Contains("is of version 4"));
}

TEST_CASE("what the numbers of a file cannot be read as is said", "[io][npy]") {
  CHECK_THAT(refused_text("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }"),
             Contains("is in Fortran's order") && Contains("ascontiguousarray"));
  CHECK_THAT(refused_text("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }"),
             Contains("is big-endian ('>f4')"));
  for (const char* const descr : {"<c8", "|O", "<U2", "|S4", "<M8[ns]", "", "f4", "<f4 "})
    CHECK_THAT(refused_text("{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (1,), }"),
               Contains("holds numbers of type '" + std::string(descr) + "'"));
  CHECK_THAT(refused_text("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,), }"),
             Contains("holds records of several fields"));
}

TEST_CASE("a header that lies is refused", "[io][npy]") {
  const auto shape = [](const std::string& s) {
    return refused_text("{'descr': '<f4', 'fortran_order': False, 'shape': " + s + ", }");
  };
  CHECK(shape("(2,)").empty());
  CHECK_THAT(shape("(3,)"), Contains("has shape (3) of float32, which takes 12 bytes, and has 8 after its header"));
  CHECK_THAT(shape("(1,)"), Contains("which takes 4 bytes, and has 8"));
  CHECK_THAT(shape("(0, 2)"), Contains("every extent must be at least 1"));
  CHECK_THAT(shape("(4294967296, 4294967296)"), Contains("larger than any memory"));
  CHECK_THAT(shape("(99999999999999999999999999,)"), Contains("larger than any memory"));
  CHECK_THAT(shape("(-2,)"), Contains("whole numbers are accepted"));
  CHECK_THAT(shape("(2.0,)"), Contains("is where a , should be"));
  CHECK_THAT(shape("(2,,)"), Contains("whole numbers are accepted"));
  CHECK_THAT(shape("[2]"), Contains("is where a ( should be"));
  std::string many = "(1";
  for (int i = 0; i < 40; ++i) many += ", 1";
  CHECK_THAT(shape(many + ")"), Contains("more than 32 extents"));
  for (const char* const text : {"", "{", "{}", "[]", "{'descr': '<f4'}", "{'descr' '<f4'}", "{'descr': <f4}",
                                 "{'descr", "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
                                 "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"})
    CHECK(!refused_text(text).empty());
}

TEST_CASE("a .npy file cut anywhere, or with a byte more, is refused", "[io][npy]") {
  const std::string whole = array<float>("<f4", "(2, 2)", {1, 2, 3, 4});
  CHECK(refusal(whole).empty());
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(!refusal(whole.substr(0, size)).empty());
  CHECK_THAT(refusal(whole + '\0'), Contains("and has 17 after its header"));
  CHECK_THAT(refusal("PK\3\4"), Contains("is no .npy file"));
  CHECK_THAT(refusal(std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12)), Contains("4294967295 bytes are announced"));
  CHECK_THROWS_WITH(remat::npy_array(folder.path() / "none.npy"), Contains("a readable .npy file is needed"));
}

}  // namespace npy_array_tests
