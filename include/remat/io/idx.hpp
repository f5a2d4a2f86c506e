// SPDX-License-Identifier: MIT
/// IDX files, the format of MNIST and its relatives: an array of unsigned bytes after a short header, plain or gzip.
///
///     byte 0, 1   0
///     byte 2      element type; remat reads 0x08, unsigned bytes
///     byte 3      rank, 1 to 4
///     then        one big-endian 32-bit extent per dimension, outermost first
///     then        the bytes, row-major, and nothing after them
///
/// A file is accepted whole or not at all; a gzip file is read to its checksum, and zlib ignores what is no gzip data
/// after it. The header is not trusted: memory grows with what has been read, at most to 1 MiB or three times that.
#pragma once

#include <remat/core/compilation.hpp>
#include <remat/core/error.hpp>
#include <remat/core/input_file.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

namespace remat {

/// What an IDX file holds: `bytes` is row-major and as long as the product of `extents`.
struct idx_array {
  std::vector<std::uint32_t> extents;
  std::vector<std::uint8_t> bytes;
};

inline namespace REMAT_COMPILATION {

/// Reads the IDX file at `path`; throws `data_error` if it is not exactly one intact array of unsigned bytes.
REMAT_DEFINED idx_array read_idx(const std::filesystem::path& path);

}  // namespace REMAT_COMPILATION

#if REMAT_HAS_DEFINITIONS

namespace detail {

/// The contents of a plain or gzip file, front to back. Whatever goes wrong is a `data_error` that names the file.
class idx_input {
 public:
  explicit idx_input(const std::filesystem::path& path) : name_(path.string()) {
    const input_file opened(path, wanted);
    errno = 0;                                                       // which gzdopen need not set
    const int own = fcntl(opened.descriptor(), F_DUPFD_CLOEXEC, 0);  // which gzclose closes
    if (own >= 0) file_.reset(gzdopen(own, "rb"));
    if (!file_) {
      const std::string why = system_message();
      if (own >= 0) close(own);
      refuse("cannot be opened (" + why + "); " + wanted);
    }
    gzbuffer(file_.get(), 1u << 17);
  }

  /// Reads `count` bytes, or as many as the file still has.
  std::size_t read(std::uint8_t* to, std::size_t count) {
    constexpr std::size_t largest_piece = std::size_t{1} << 30;  // gzread counts in int
    std::size_t done = 0;
    while (done < count) {
      const std::size_t piece = count - done < largest_piece ? count - done : largest_piece;
      errno = 0;
      const int got = gzread(file_.get(), to + done, static_cast<unsigned>(piece));
      if (got > 0) done += static_cast<std::size_t>(got);
      if (got < 0 || static_cast<std::size_t>(got) < piece) {
        refuse_damage();
        break;
      }
    }
    return done;
  }

  [[noreturn]] void refuse(const std::string& what) const { throw data_error(name_, what); }

 private:
  static constexpr const char* wanted = "a readable IDX file, plain or gzip, is needed";

  struct closer {
    void operator()(gzFile file) const { gzclose(file); }
  };

  static std::string system_message() { return errno == 0 ? "out of memory" : std::generic_category().message(errno); }

  void refuse_damage() const {
    const std::string system = system_message();
    int code = Z_OK;
    gzerror(file_.get(), &code);
    if (code == Z_OK || code == Z_STREAM_END) return;
    if (code == Z_ERRNO) refuse("cannot be read (" + system + "); " + wanted);
    if (code == Z_BUF_ERROR) refuse("is a gzip file that ends too early; a complete one, with its checksum, is needed");
    refuse("is a damaged gzip file (its data or checksum is wrong); an intact one is needed");
  }

  std::string name_;
  std::unique_ptr<gzFile_s, closer> file_;
};

/// The extents that the header announces.
inline std::vector<std::uint32_t> read_idx_extents(idx_input& input) {
  const auto hexadecimal = [](std::uint8_t byte) {
    constexpr const char* digits = "0123456789abcdef";
    return std::string{'0', 'x', digits[byte >> 4], digits[byte & 15]};
  };
  const auto truncated = [&](std::size_t expected, std::size_t found) {
    input.refuse("ends in its header: expected " + std::to_string(expected) + " bytes, found " + std::to_string(found));
  };

  std::uint8_t magic[4] = {};
  if (const std::size_t found = input.read(magic, 4); found < 4) truncated(4, found);
  if (magic[0] != 0 || magic[1] != 0)
    input.refuse("is not an IDX file: it starts with the bytes " + hexadecimal(magic[0]) + " " + hexadecimal(magic[1]) +
                 ", an IDX file starts with 0x00 0x00");
  if (magic[2] != 0x08)
    input.refuse("holds elements of type " + hexadecimal(magic[2]) + "; only unsigned bytes, type 0x08, are accepted");
  const std::size_t rank = magic[3];
  if (rank < 1 || rank > 4) input.refuse("has rank " + std::to_string(rank) + "; ranks 1 to 4 are accepted");

  std::uint8_t raw[16] = {};
  if (const std::size_t found = input.read(raw, 4 * rank); found < 4 * rank) truncated(4 + 4 * rank, 4 + found);
  std::vector<std::uint32_t> extents;
  for (std::size_t i = 0; i < 4 * rank; i += 4)
    extents.push_back(std::uint32_t{raw[i]} << 24 | std::uint32_t{raw[i + 1]} << 16 | std::uint32_t{raw[i + 2]} << 8 |
                      std::uint32_t{raw[i + 3]});
  return extents;
}

}  // namespace detail

REMAT_DEFINED idx_array REMAT_COMPILATION::read_idx(const std::filesystem::path& path) {
  detail::idx_input input{path};
  idx_array array{detail::read_idx_extents(input), {}};

  std::string written;
  for (const std::uint32_t extent : array.extents) written += (written.empty() ? "" : " x ") + std::to_string(extent);

  const std::size_t header = 4 + 4 * array.extents.size();
  const std::size_t most = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) - header;
  for (const std::uint32_t extent : array.extents)
    if (extent == 0) input.refuse("announces " + written + " bytes; every extent must be at least 1");
  std::size_t expected = 1;
  for (const std::uint32_t extent : array.extents) {
    if (extent > most / expected)
      input.refuse("announces " + written + " bytes; at most " + std::to_string(most) + " can be accepted");
    expected *= extent;
  }

  const auto refuse_length = [&](std::size_t found) {
    input.refuse("expected " + std::to_string(header + expected) + " bytes (" + std::to_string(header) +
                 " of header, then " + written + "), found " + std::to_string(header + found));
  };
  std::size_t found = 0;
  while (found < expected) {
    constexpr std::size_t first_room = std::size_t{1} << 20;
    const std::size_t wanted = 2 * found < first_room ? first_room : 2 * found;
    const std::size_t room = wanted < expected ? wanted : expected;
    array.bytes.reserve(room);  // exactly: resize alone may take more
    array.bytes.resize(room);
    found += input.read(array.bytes.data() + found, room - found);
    if (found < room) refuse_length(found);
  }

  std::uint8_t rest[4096];
  std::size_t surplus = 0;
  while (const std::size_t got = input.read(rest, sizeof rest)) surplus += got;
  if (surplus > 0) refuse_length(expected + surplus);
  return array;
}

#endif

}  // namespace remat
