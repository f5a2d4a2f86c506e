// SPDX-License-Identifier: MIT
// Files that are mapped into memory, and taken away while they are read.
#include <remat/io/mapped_file.hpp>

#include "temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mapped_file_tests {

using Catch::Matchers::Contains;

std::string read(const remat::mapped_file& file, std::size_t count, std::size_t from) {
  std::string text(count, '?');
  file.read(text.data(), count, from);
  return text;
}

std::string some_text(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i ^ i >> 8) % 26);
  return text;
}

/// Memory of the process that files are mapped to, in kB.
std::size_t resident_of_files() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "RssFile:") {
      std::size_t kilobytes = 0;
      status >> kilobytes;
      return kilobytes;
    }
  return 0;
}

TEST_CASE("a mapped file gives its bytes anywhere", "[io][mapped_file]") {
  const temporary_folder folder;
  const std::string text = some_text(2'000'001);
  const remat::mapped_file file(folder.write("text", text), "a text is needed");
  CHECK(file.size() == text.size());
  CHECK(read(file, text.size(), 0) == text);
  CHECK(read(file, 5, 65'534) == text.substr(65'534, 5));
  CHECK(read(file, 1'500'000, 77) == text.substr(77, 1'500'000));
  CHECK(read(file, 0, text.size()).empty());
  for (const auto& [count, from] :
       {std::pair{text.size() + 1, std::size_t{0}}, {std::size_t{1}, text.size()}, {~std::size_t{0}, std::size_t{2}}}) {
    char byte = 0;
    CHECK_THROWS_WITH(file.read(&byte, count, from), Contains("text: cannot be read (it ends too early)"));
  }
  const remat::mapped_file empty(folder.write("empty", ""));
  CHECK(empty.size() == 0);
  CHECK(read(empty, 0, 0).empty());
  CHECK_THROWS_WITH(read(empty, 1, 0), Contains("ends too early"));
  CHECK_THROWS_WITH(remat::mapped_file(folder.path(), "a text is needed"), Contains("it is a folder"));
  CHECK_THROWS_WITH(remat::mapped_file(folder.path() / "none", "a text is needed"), Contains("a text is needed"));
}

TEST_CASE("a file that is truncated while it is mapped is refused", "[io][mapped_file]") {
  const temporary_folder folder;
  const std::string text = some_text(3'000'000);
  for (const std::size_t left : {std::size_t{0}, std::size_t{4096}, std::size_t{1'500'000}, std::size_t{2'999'999}}) {
    const auto path = folder.write("text", text);
    const remat::mapped_file file(path);
    CHECK(read(file, 10, 2'900'000) == text.substr(2'900'000, 10));
    std::filesystem::resize_file(path, left);
    CHECK_THROWS_WITH(read(file, text.size(), 0), Contains("text: cannot be read") && Contains("it was truncated"));
    CHECK_THROWS_WITH(read(file, 1, 2'999'999), Contains("it was truncated"));
    std::filesystem::resize_file(path, text.size());
    CHECK(read(remat::mapped_file(path), left, 0) == text.substr(0, left));
  }
}

TEST_CASE("threads that read a file which comes to an end are told so, each of them", "[io][mapped_file]") {
  const temporary_folder folder;
  const std::string text = some_text(std::size_t{1} << 23);
  const auto path = folder.write("text", text);
  const remat::mapped_file file(path), other(folder.write("other", text));
  constexpr std::size_t size = std::size_t{1} << 21;
  std::atomic<int> refused = 0, wrong = 0;
  std::vector<std::thread> readers;
  for (std::size_t k = 0; k < 4; ++k)
    readers.emplace_back([&, k] {
      try {
        for (std::size_t i = k;; i += 7919)
          if (read(file, size, i % (text.size() - size)) != text.substr(i % (text.size() - size), size)) ++wrong;
      } catch (const remat::data_error&) {
        ++refused;
      }
      if (read(other, text.size(), 0) != text) ++wrong;  // which is there
    });
  std::filesystem::resize_file(path, 12'345);
  for (std::thread& each : readers) each.join();
  CHECK(refused == 4);
  CHECK(wrong == 0);
}

TEST_CASE("a bus error of others stays theirs", "[io][mapped_file]") {
  const temporary_folder folder;
  const remat::mapped_file file(folder.write("text", some_text(std::size_t{1} << 20)));  // the handler is there
  const auto path = folder.write("other", some_text(10'000));
  const pid_t child = fork();
  if (child == 0) {
    const std::string name = path.string();
    const int descriptor = ::open(name.c_str(), O_RDONLY);
    const auto* const bytes =
        static_cast<const volatile char*>(mmap(nullptr, 10'000, PROT_READ, MAP_SHARED, descriptor, 0));
    std::filesystem::resize_file(path, 0);
    static_cast<void>(bytes[5000]);
    _exit(42);  // not reached
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 42));
#if !defined(__SANITIZE_ADDRESS__)  // which reports it, and exits
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGBUS);
#endif
}

TEST_CASE("of a large file, little is resident", "[io][mapped_file]") {
  const temporary_folder folder;
  const auto path = folder.write("large", std::string(std::size_t{1} << 27, 'x'));
  const std::size_t before = resident_of_files();
  const remat::mapped_file file(path);
  std::string piece(1 << 20, ' ');
  std::size_t most = 0;
  for (std::size_t from = 0; from < file.size(); from += piece.size()) {
    file.read(piece.data(), piece.size(), from);
    most = std::max(most, resident_of_files());
  }
  for (std::size_t i = 0; i < 10'000; ++i) file.read(piece.data(), 1000, i * 7'654'321 % (file.size() - 1000));
  most = std::max(most, resident_of_files());
  CHECK(most < before + (std::size_t{20} << 10));
}

TEST_CASE("a file that was written again has another identity", "[io][mapped_file]") {
  const temporary_folder folder;
  const auto path = folder.write("a", "same"), copy = folder.write("b", "same");
  const auto first = remat::mapped_file(path).identity();
  CHECK(remat::mapped_file(path).identity() == first);
  CHECK(remat::mapped_file(copy).identity() != first);
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + std::chrono::seconds(1));
  CHECK(remat::mapped_file(path).identity() != first);
}

}  // namespace mapped_file_tests
