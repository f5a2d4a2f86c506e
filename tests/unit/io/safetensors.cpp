// SPDX-License-Identifier: MIT
// Safetensors files as others write them, and files that lie.
#include <remat/core/text_file.hpp>
#include <remat/io/safetensors_file.hpp>
#include <remat/io/safetensors_writer.hpp>

#include "file_limit.hpp"
#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <pthread.h>
#include <signal.h>

namespace safetensors_tests {

using Catch::Matchers::Contains, Catch::Matchers::StartsWith;

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string file_of(const std::string& header, const std::string& data) {
  return bytes_of<std::uint64_t>({header.size()}) + header + data;
}

const temporary_folder folder;

/// The message with which a file is refused; empty if it is accepted.
std::string refusal(const std::string& contents) {
  try {
    remat::safetensors_file file(folder.write("wrong", contents));
  } catch (const remat::data_error& refused) {
    CHECK_THAT(refused.what(), StartsWith((folder.path() / "wrong").string() + ": "));
    return refused.what();
  }
  return {};
}
std::string refusal(const std::string& header, const std::string& data) { return refusal(file_of(header, data)); }

/// One tensor of 8 bytes, described by `entry`.
std::string refused_entry(const std::string& entry) { return refusal("{\"x\":" + entry + "}", std::string(8, '\0')); }

std::vector<float> read(remat::safetensors_file& file, const char* name) {
  const remat::safetensor* const t = file.find(name);
  REQUIRE(t != nullptr);
  std::vector<float> values(t->elements());
  file.read(*t, values);
  return values;
}

TEST_CASE("tensors come back as they were written", "[io][safetensors]") {
  const std::vector<float> a{1, -2, 0.5f, std::numeric_limits<float>::infinity(), -0.0f, 1e-40f}, b{7}, none;
  const auto path = folder.path() / "written";
  remat::write_safetensors(path,
                           std::vector<remat::safetensor_values>{
                               {"z.weight", {2, 3}, a}, {"a", {}, b}, {"empty", {0, 4}, none}, {"\"ä\n", {1}, b}});
  remat::safetensors_file file(path);
  REQUIRE(file.tensors().size() == 4);
  CHECK(file.find("z.weight")->shape == std::vector<std::size_t>{2, 3});
  CHECK(bytes_of(read(file, "z.weight")) == bytes_of(a));
  CHECK(file.find("a")->shape.empty());
  CHECK(read(file, "a") == b);
  CHECK(read(file, "\"ä\n") == b);
  CHECK(read(file, "empty").empty());
  CHECK(file.find("b") == nullptr);
  CHECK(!std::filesystem::exists(folder.path() / "written.partial"));
  const std::string stored = temporary_folder::stored(path);
  CHECK((stored.size() - (a.size() + 2) * sizeof(float)) % 8 == 0);  // where the data begins
}

TEST_CASE("half, bfloat16 and double become float", "[io][safetensors]") {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"h":{"dtype":"F16","shape":[8],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},"d":{"dtype":"F64","shape":[2],"data_offsets":[22,38]},)"
      R"("i":{"dtype":"I64","shape":[],"data_offsets":[38,46]},"new":{"dtype":"F4","shape":[2],"data_offsets":[46,47]}})";
  const std::string data = bytes_of<std::uint16_t>({0x3c00, 0xc000, 0x0001, 0x83ff, 0x7bff, 0xfc00, 0x8000, 0x3555}) +
                           bytes_of<std::uint16_t>({0x3f80, 0xc2f7, 0x0001}) + bytes_of<double>({0.1, -1e300}) +
                           std::string(9, '\1');
  remat::safetensors_file file(folder.write("types", file_of(header + "   ", data)));
  CHECK(bytes_of(read(file, "h")) == bytes_of<float>({1, -2, 0x1p-24f, -1023 * 0x1p-24f, 65504,
                                                      -std::numeric_limits<float>::infinity(), -0.0f, 0x1.554p-2f}));
  CHECK(bytes_of(read(file, "b")) == bytes_of<float>({1, -123.5f, std::bit_cast<float>(0x10000)}));
  CHECK(read(file, "d") == std::vector<float>{0.1f, -std::numeric_limits<float>::infinity()});
  float one = 0;
  CHECK_THROWS_WITH(file.read(*file.find("i"), std::span(&one, 1)),
                    Contains("tensor 'i' is of type I64; F32, F16, BF16 and F64 can be read"));
  CHECK_THROWS_WITH(file.read(*file.find("b"), std::span(&one, 1)), Contains("has 3 elements, and is read into 1"));
}

TEST_CASE("every half is the float that it encodes", "[io][safetensors]") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
    const double sign = bits >> 15 != 0 ? -1 : 1;
    const double value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    const float found = remat::detail::float_of_half(static_cast<std::uint16_t>(bits));
    if (exponent < 31) {
      if (static_cast<double>(found) != sign * value || std::signbit(found) != (sign < 0)) FAIL(bits);
    } else if (fraction == 0 ? found != static_cast<float>(sign) * std::numeric_limits<float>::infinity()
                             : !std::isnan(found)) {
      FAIL(bits);
    }
  }
}

TEST_CASE("a file cut anywhere, or with a byte more, is refused", "[io][safetensors]") {
  const std::string whole = file_of(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", std::string(8, '\0'));
  CHECK(refusal(whole).empty());
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(!refusal(whole.substr(0, size)).empty());
  CHECK_THAT(refusal(whole.substr(0, 7)), Contains("it has 7 bytes, not even 8"));
  CHECK_THAT(refusal(whole.substr(0, 20)), Contains("is truncated or no safetensors file"));
  CHECK_THAT(refusal(whole.substr(0, whole.size() - 1)), Contains("ends at byte 8 of the data, which has 7"));
  CHECK_THAT(refusal(whole + '\0'), Contains("has 1 bytes after its last tensor"));
  CHECK_THROWS_WITH(remat::safetensors_file(folder.path() / "missing"),
                    Contains("missing: cannot be opened (No such file"));
  CHECK_THROWS_WITH(remat::safetensors_file(folder.path()), Contains("cannot be"));
}

TEST_CASE("a header length that lies is refused before memory is taken", "[io][safetensors]") {
  for (const std::uint64_t length : {std::uint64_t{9}, std::uint64_t{100'000'001}, ~std::uint64_t{0}})
    CHECK_THAT(refusal(bytes_of<std::uint64_t>({length}) + "{}      "),
               Contains("announces a header of " + std::to_string(length) + " bytes, and has 16 bytes in all"));
  CHECK_THAT(refusal(bytes_of<std::uint64_t>({0})), Contains("it must start with {"));
}

TEST_CASE("a header that is no JSON object of tensors is refused", "[io][safetensors]") {
  CHECK(refusal("{}", "").empty());
  CHECK_THAT(refusal("[]", ""), Contains("it must start with {"));
  CHECK_THAT(refusal(" {}", ""), Contains("it must start with {"));
  for (const char* const broken : {"{", "{}}", "{\"x\":}", "{\"\xff\":{}}", "{'x':1}", "{} x"})
    CHECK_THAT(refusal(broken, ""), Contains("has a header that is no JSON ("));
  CHECK_THAT(refusal("{\"x\xff\xc3\xa9\":{}}", ""), Contains(R"("x\xff)") && !Contains("\xff"));
  CHECK_THAT(refusal("{\"x\":" + std::string(100'000, '['), ""), Contains("nests deeper"));
  CHECK_THAT(refusal(R"({"__metadata__":{"a":1}})", ""), Contains("`__metadata__` that is no object of strings"));
  CHECK_THAT(refusal(R"({"__metadata__":[]})", ""), Contains("`__metadata__` that is no object of strings"));
  CHECK(refusal(R"({"__metadata__":null})", "").empty());
  const std::string x = R"("x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  CHECK_THAT(refusal("{" + x + "," + x + "}", "1234"), Contains("has 'x' twice"));
}

TEST_CASE("an entry that describes no tensor is refused by name", "[io][safetensors]") {
  CHECK(refused_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})").empty());
  CHECK(refused_entry(R"({"dtype":"U8","shape":[2,4],"data_offsets":[0,8]})").empty());
  CHECK_THAT(refused_entry("7"), Contains("tensor 'x' is described by no object"));
  CHECK_THAT(refused_entry(R"({"shape":[2],"data_offsets":[0,8]})"), Contains("needs `dtype`"));
  CHECK_THAT(refused_entry(R"({"dtype":3,"shape":[2],"data_offsets":[0,8]})"), Contains("needs `dtype`"));
  for (const char* const shape : {"2", "[2.0]", "[-2]", "[\"2\"]", "[1e30]", "[18446744073709551616]", "null", "[{}]"})
    CHECK_THAT(refused_entry(std::string(R"({"dtype":"F32","data_offsets":[0,8],"shape":)") + shape + "}"),
               Contains("needs `shape`, a list of whole numbers"));
  for (const char* const offsets : {"[]", "[0]", "[0,8,8]", "[8,0]"})
    CHECK_THAT(refused_entry(std::string(R"({"dtype":"F32","shape":[2],"data_offsets":)") + offsets + "}"),
               Contains("needs `data_offsets` [begin, end]"));
  CHECK_THAT(refused_entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"),
             Contains("of type F32 and shape [3] needs 12 bytes, and its data_offsets [0, 8] hold 8"));
  CHECK_THAT(refused_entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})"),
             Contains("is larger than any memory"));
  CHECK_THAT(refused_entry(R"({"dtype":"F32","shape":[0,9],"data_offsets":[0,8]})"), Contains("needs 0 bytes"));
  CHECK_THAT(refused_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1})"), Contains("has 'more'"));
}

TEST_CASE("offsets that overlap, leave holes or point outside are refused", "[io][safetensors]") {
  const auto refused = [](const std::string& first, const std::string& second) {
    return refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
                       R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}",
                   std::string(8, '\0'));
  };
  CHECK(refused("[0,4]", "[4,8]").empty());
  CHECK(refused("[4,8]", "[0,4]").empty());
  CHECK_THAT(refused("[0,4]", "[3,7]"), Contains("tensor 'b' begins at byte 3") && Contains("overlaps, ends at 4"));
  CHECK_THAT(refused("[0,4]", "[0,4]"), Contains("overlaps"));
  CHECK_THAT(refused("[1,5]", "[5,9]"), Contains("tensor 'a' begins at byte 1"));
  CHECK_THAT(refused("[0,4]", "[5,9]"), Contains("ends at byte 9 of the data, which has 8"));
  CHECK_THAT(refused("[0,4]", "[18446744073709551611,18446744073709551615]"), Contains("of the data, which has 8"));
}

TEST_CASE("a file that cannot be written leaves the old one", "[io][safetensors]") {
  const std::vector<float> one{1};
  const auto tensors = [&](const char* name) { return std::vector<remat::safetensor_values>{{name, {1}, one}}; };
  const auto path = folder.path() / "kept";
  remat::write_safetensors(path, tensors("old"));
  const std::string before = temporary_folder::stored(path);
  std::filesystem::create_directory(folder.path() / "kept.partial");
  CHECK_THROWS_WITH(remat::write_safetensors(path, tensors("new")), Contains("kept: cannot be written: "));
  std::filesystem::remove(folder.path() / "kept.partial");
  CHECK_THROWS_WITH(remat::write_safetensors(path, tensors("\xff")), Contains("a name that is not UTF-8"));
  auto twice = tensors("x");
  twice.push_back(twice.front());
  CHECK_THROWS_WITH(remat::write_safetensors(path, twice), Contains("two tensors named 'x'"));
  CHECK(temporary_folder::stored(path) == before);
  CHECK_THROWS_WITH(remat::write_safetensors(folder.path() / "no" / "folder", tensors("x")), Contains("No such file"));
  CHECK_THROWS_WITH(remat::write_safetensors(folder.path(), tensors("x")), Contains("it is a folder"));
  if (std::filesystem::exists("/dev/full")) {
    // Of a link's own name: a device that were replaced would be lost.
    std::filesystem::create_symlink("/dev/full", folder.path() / "device");
    CHECK_THROWS_WITH(remat::write_safetensors(folder.path() / "device", tensors("x")), Contains("it is a device"));
    CHECK(std::filesystem::is_symlink(folder.path() / "device"));
  }
}

TEST_CASE("links stay, and what another has put under the temporary name is not written", "[io][safetensors]") {
  namespace fs = std::filesystem;
  const std::vector<float> one{1};
  const std::vector<remat::safetensor_values> tensors{{"x", {1}, one}};
  const temporary_folder own, other;
  const auto victim = other.write("victim", "important"), target = other.write("target", "old");
  fs::create_symlink(victim, own.path() / "weights.partial");
  remat::write_safetensors(own.path() / "weights", tensors);
  CHECK(temporary_folder::stored(victim) == "important");
  CHECK(fs::is_regular_file(fs::symlink_status(own.path() / "weights")));
  CHECK(!fs::exists(fs::symlink_status(own.path() / "weights.partial")));

  fs::create_symlink(target, own.path() / "link");
  remat::write_safetensors(own.path() / "link", tensors);
  CHECK(fs::is_symlink(own.path() / "link"));
  CHECK(temporary_folder::stored(target) == temporary_folder::stored(own.path() / "weights"));
  for (const auto old : {fs::perms{0600}, fs::perms{0400}, fs::perms{0404}}) {
    fs::permissions(target, old);
    remat::write_safetensors(own.path() / "link", tensors);
    CHECK(fs::status(target).permissions() == old);
  }

  // A link to what is not there yet, and a circle of links.
  fs::create_symlink("target_of_later", own.path() / "later");
  remat::write_safetensors(own.path() / "later", tensors);
  CHECK(fs::is_symlink(own.path() / "later"));
  CHECK(temporary_folder::stored(own.path() / "target_of_later") == temporary_folder::stored(target));
  fs::create_symlink("circle", own.path() / "circle");
  CHECK_THROWS_WITH(remat::write_safetensors(own.path() / "circle", tensors), Contains("leads to itself"));

  own.write("weights.partial", "of a process that was killed");
  remat::write_safetensors(own.path() / "weights", tensors);
  CHECK(!fs::exists(own.path() / "weights.partial"));
}

TEST_CASE("a limit on the size of files ends no process, and leaves the old file", "[io][safetensors]") {
  const std::vector<float> many(100'000, 1), few{1};
  const auto path = folder.path() / "limited", text = folder.path() / "text";
  remat::write_safetensors(path, std::vector<remat::safetensor_values>{{"x", {1}, few}});
  remat::write_text_file(text, "old");
  const std::string before = temporary_folder::stored(path);
  for (const rlim_t bytes : {100'000, 10}) {  // with the tensor, and with the header
    const file_limit limit(bytes);
    CHECK_THROWS_WITH(remat::write_safetensors(path, std::vector<remat::safetensor_values>{{"x", {100'000}, many}}),
                      Contains("cannot be written (File too large)"));
    CHECK_THROWS_WITH(remat::write_text_file(text, std::string(200'000, 'x')),
                      Contains("cannot be written (File too large)"));
  }
  CHECK(temporary_folder::stored(path) == before);
  CHECK(temporary_folder::stored(text) == "old");
  CHECK(!std::filesystem::exists(path.string() + ".partial"));
  CHECK(!std::filesystem::exists(text.string() + ".partial"));
  sigset_t signals;
  sigpending(&signals);
  CHECK(sigismember(&signals, SIGXFSZ) == 0);
  pthread_sigmask(SIG_BLOCK, nullptr, &signals);
  CHECK(sigismember(&signals, SIGXFSZ) == 0);
}

}  // namespace safetensors_tests
