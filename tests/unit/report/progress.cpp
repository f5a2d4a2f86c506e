// SPDX-License-Identifier: MIT
// What a progress bar prints where the output is a file.
#include "temporary_folder.hpp"

#include <remat/report/progress.hpp>

#include <catch2/catch.hpp>

#include <cstdio>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace progress_tests {

using Catch::Contains;

/// The lines that `print` writes to stdout.
template <class F>
std::vector<std::string> lines_of(const F& print) {
  const temporary_folder folder;
  const std::string path = (folder.path() / "lines").string();
  std::fflush(stdout);
  const int terminal = dup(STDOUT_FILENO), file = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  REQUIRE(dup2(file, STDOUT_FILENO) == STDOUT_FILENO);
  print();
  std::fflush(stdout);
  REQUIRE(dup2(terminal, STDOUT_FILENO) == STDOUT_FILENO);
  close(terminal);
  close(file);
  std::istringstream all(temporary_folder::stored(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(all, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("into a file, progress is a line at every tenth, and the last one says how long it took in all") {
  const std::vector<std::string> lines = lines_of([] {
    remat::progress bar("epoch 1", 40, "rows");
    for (int i = 0; i < 40; ++i) bar.step(0.5, 8);
  });
  REQUIRE(lines.size() == 10);
  CHECK_THAT(lines.front(), Contains("epoch 1 [###...") && Contains("] 4/40  loss 0.5000  ") && Contains(" rows/s  ") &&
                                Contains(" s left"));
  CHECK_THAT(lines.back(), Contains("[##############################] 40/40  loss 0.5000") && Contains(" s in all"));
}

TEST_CASE("a bar shorter than ten steps has a line for each, and one that goes on grows") {
  const std::vector<std::string> lines = lines_of([] {
    remat::progress bar("", 2);
    for (int i = 0; i < 3; ++i) bar.step(1, 1);
  });
  REQUIRE(lines.size() == 3);
  CHECK_THAT(lines[0], Contains(" 1/2 "));
  CHECK_THAT(lines[1], Contains(" 2/2 ") && Contains("in all"));
  CHECK_THAT(lines[2], Contains(" 3/3 ") && Contains("in all"));
}

TEST_CASE("the loss that progress shows is smoothed, and one that is no number is shown until the next") {
  const std::vector<std::string> lines = lines_of([] {
    remat::progress bar("", 4);
    for (const double loss : {1.0, 2.0, std::numeric_limits<double>::quiet_NaN(), 3.0}) bar.step(loss, 1);
  });
  REQUIRE(lines.size() == 4);
  CHECK_THAT(lines[0], Contains("loss 1.0000"));
  CHECK_THAT(lines[1], Contains("loss 1.0500"));
  CHECK_THAT(lines[2], Contains("loss nan"));
  CHECK_THAT(lines[3], Contains("loss 3.0000"));
}

}  // namespace progress_tests
