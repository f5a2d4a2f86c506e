// SPDX-License-Identifier: MIT
#include <remat/io/idx.hpp>

#include "idx_folder.hpp"

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

namespace idx_tests {

using Catch::Contains;

/// The message with which read_idx refuses a file; empty if it accepts it.
std::string refusal(const std::filesystem::path& path) {
  try {
    remat::read_idx(path);
  } catch (const remat::data_error& refused) {
    return refused.what();
  }
  return {};
}

file_bytes counted(std::size_t count) {
  file_bytes contents(count);
  for (std::size_t i = 0; i < count; ++i) contents[i] = static_cast<std::uint8_t>(i * 37 + i / 256);
  return contents;
}

/// The process may have this number of files open, as long as the object exists.
class file_limit {
 public:
  explicit file_limit(rlim_t files) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    rlimit now = before_;
    now.rlim_cur = files;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~file_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  file_limit(const file_limit&) = delete;
  file_limit& operator=(const file_limit&) = delete;

 private:
  rlimit before_ = {};
};

TEST_CASE("a process that has no descriptor left is told so", "[io][idx]") {
  const idx_folder folder;
  const std::filesystem::path path = folder.write("one", idx_bytes({1}, counted(1)));
  const int next = ::dup(0);  // what the file itself will get
  ::close(next);
  std::string message;
  try {
    const file_limit one_more(static_cast<rlim_t>(next) + 1);
    remat::read_idx(path);
  } catch (const remat::data_error& refused) {  // by now files may be opened, which sanitizers need to look at it
    message = refused.what();
  }
  CHECK_THAT(message, Contains("cannot be opened (Too many open files)"));
}

TEST_CASE("plain and gzip files give the same array, whatever the rank", "[io][idx]") {
  const idx_folder folder;
  using shape = std::vector<std::uint32_t>;
  for (const shape& extents : std::vector<shape>{{5}, {2, 3}, {4, 3, 2}, {2, 3, 4, 5}, {1, 1, 1, 1}, {3, 1000, 1000}}) {
    std::size_t count = 1;
    for (const std::uint32_t extent : extents) count *= extent;
    const file_bytes contents = counted(count);
    const file_bytes file = idx_bytes(extents, contents);

    const remat::idx_array plain = remat::read_idx(folder.write("plain", file));
    const remat::idx_array gzip = remat::read_idx(folder.write_gzip("gzip", file));
    CHECK(plain.extents == extents);
    CHECK(gzip.extents == extents);
    CHECK((plain.bytes == contents));
    CHECK((gzip.bytes == contents));
  }
}

TEST_CASE("a file that is not there or cannot be read is refused by name", "[io][idx]") {
  const idx_folder folder;
  CHECK_THAT(refusal(folder.path() / "missing"), Contains("missing: cannot be opened (No such file"));
  CHECK_THAT(refusal(folder.path()), Contains(folder.path().string() + ": cannot be read (Is a directory"));

  const std::filesystem::path locked = folder.write("locked", idx_bytes({1}, {7}));
  std::filesystem::permissions(locked, std::filesystem::perms::none);
  if (!std::ifstream{locked}) CHECK_THAT(refusal(locked), Contains("locked: cannot be opened (Permission denied"));
}

TEST_CASE("a wrong header is refused and the message says what is accepted", "[io][idx]") {
  const idx_folder folder;
  const auto refused = [&](const file_bytes& file) { return refusal(folder.write("wrong", file)); };
  CHECK_THAT(refused({0, 1, 8, 1, 0, 0, 0, 1, 7}), Contains("wrong: is not an IDX file") && Contains("0x00 0x01"));
  CHECK_THAT(refused({'P', 'K', 3, 4, 0, 0}), Contains("bytes 0x50 0x4b, an IDX file starts with 0x00 0x00"));
  for (const int type : {0x00, 0x09, 0x0b, 0x0c, 0x0d, 0x0e})
    CHECK_THAT(refused({0, 0, static_cast<std::uint8_t>(type), 1, 0, 0, 0, 1, 7}), Contains("type 0x08, are accepted"));
  CHECK_THAT(refused({0, 0, 13, 1, 0, 0, 0, 1, 7}), Contains("holds elements of type 0x0d"));
  CHECK_THAT(refused({0, 0, 8, 0, 7}), Contains("has rank 0; ranks 1 to 4 are accepted"));
  CHECK_THAT(refused(idx_bytes({1, 1, 1, 1, 1}, {7})), Contains("has rank 5; ranks 1 to 4 are accepted"));
}

TEST_CASE("an extent of 0 is refused", "[io][idx]") {
  const idx_folder folder;
  CHECK_THAT(refusal(folder.write("none", idx_bytes({0, 28, 28}, {}))), Contains("announces 0 x 28 x 28 bytes"));
  CHECK_THAT(refusal(folder.write("flat", idx_bytes({3, 0, 28}, {}))), Contains("every extent must be at least 1"));
  CHECK_THAT(refusal(folder.write("labels", idx_bytes({0}, {}))), Contains("labels: announces 0 bytes"));
}

TEST_CASE("a plain file cut anywhere, or with one byte more, is refused", "[io][idx]") {
  const idx_folder folder;
  const file_bytes file = idx_bytes({2, 3, 4}, counted(24));
  for (std::size_t size = 0; size < file.size(); ++size) {
    const file_bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    const std::string expected = std::to_string(size < 4 ? 4 : size < 16 ? 16 : 40);
    const std::string message = refusal(folder.write("cut", cut));
    CHECK_THAT(message, Contains("expected " + expected + " bytes") && Contains("found " + std::to_string(size)));
    CHECK(refusal(folder.write_gzip("cut.gz", cut)).substr(folder.path().string().size() + 7) ==
          message.substr(folder.path().string().size() + 4));
  }

  file_bytes longer = file;
  longer.push_back(0);
  CHECK_THAT(refusal(folder.write("longer", longer)),
             Contains("expected 40 bytes (16 of header, then 2 x 3 x 4), found 41"));
  CHECK_THAT(refusal(folder.write_gzip("longer.gz", longer)), Contains("expected 40 bytes") && Contains("found 41"));
  longer.resize(100'000);
  CHECK_THAT(refusal(folder.write_gzip("longer.gz", longer)), Contains("found 100000"));
}

TEST_CASE("a gzip file cut anywhere is refused", "[io][idx]") {
  const idx_folder folder;
  const file_bytes file = folder.stored(folder.write_gzip("whole.gz", idx_bytes({2, 3, 4}, counted(24))));
  REQUIRE(file.size() > 20);
  for (std::size_t size = 0; size < file.size(); ++size) {
    const file_bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    const std::string message = refusal(folder.write("cut.gz", cut));
    CHECK_THAT(message, Contains("cut.gz: "));
    if (size >= 2) CHECK_THAT(message, Contains("is a gzip file that ends too early"));
  }
}

TEST_CASE("a damaged gzip file is refused or still gives what was written", "[io][idx]") {
  const idx_folder folder;
  const file_bytes contents = counted(2000);
  const file_bytes file = folder.stored(folder.write_gzip("whole.gz", idx_bytes({2000}, contents)));
  std::size_t harmless = 0;
  for (std::size_t i = 0; i < file.size(); ++i) {
    file_bytes damaged = file;
    damaged[i] ^= 0x11;
    const std::filesystem::path path = folder.write("damaged.gz", damaged);
    if (!refusal(path).empty()) continue;
    CHECK((remat::read_idx(path).bytes == contents));
    ++harmless;
  }
  CHECK(harmless <= 6);  // the time stamp, the system and the like in gzip's own header

  for (const std::size_t from_end : {1u, 4u, 5u, 8u}) {  // length and checksum
    file_bytes damaged = file;
    damaged[file.size() - from_end] ^= 1;
    CHECK_THAT(refusal(folder.write("damaged.gz", damaged)), Contains("is a damaged gzip file"));
  }
}

TEST_CASE("a header that lies about its size is refused before memory is taken", "[io][idx]") {
  const idx_folder folder;
  const std::uint32_t most = 0xffffffff;
  CHECK_THAT(refusal(folder.write("lie", idx_bytes({most, most, most, most}, counted(10)))),
             Contains("announces 4294967295 x 4294967295 x 4294967295 x 4294967295 bytes; at most"));
  CHECK_THAT(refusal(folder.write("lie", idx_bytes({1u << 31, 1u << 31, 2}, counted(10)))), Contains("at most"));

  // 9 petabytes: whoever believes this cannot allocate it.
  const std::vector<std::uint32_t> lie{most, 2, 1u << 20};
  CHECK_THAT(refusal(folder.write("lie", idx_bytes(lie, counted(10)))),
             Contains("expected 9007199252643856 bytes") && Contains("found 26"));
  CHECK_THAT(refusal(folder.write_gzip("lie.gz", idx_bytes(lie, counted(3'000'000)))),
             Contains("(16 of header, then 4294967295 x 2 x 1048576), found 3000016"));
}

}  // namespace idx_tests
