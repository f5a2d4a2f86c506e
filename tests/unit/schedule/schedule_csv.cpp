// SPDX-License-Identifier: MIT
// Schedules as files, and files that are none.
#include <remat/schedule/schedule_csv.hpp>

#include <remat/schedule/schedule.hpp>
#include <remat/schedule/schedule_option.hpp>

#include <catch2/catch.hpp>

#include "property.hpp"
#include "random_schedule.hpp"
#include "refusal.hpp"
#include "temporary_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

namespace schedule_csv_tests {

namespace schedule = remat::schedule;
using Catch::Matchers::Contains;

bool are_equal(const remat::schedule_table& a, const remat::schedule_table& b) {
  if (a.stages != b.stages || a.microbatches != b.microbatches || a.ranks() != b.ranks()) return false;
  for (int rank = 0; rank < a.ranks(); ++rank)
    if (!std::equal(a.rows[rank].begin(), a.rows[rank].end(), b.rows[rank].begin(), b.rows[rank].end())) return false;
  return true;
}

const std::string header = "rank,position,kind,stage,microbatch\n";
std::string malformed(const std::string& text) {
  return refusal([&] { remat::parse_schedule(text, "mine.csv"); });
}

TEST_CASE("a schedule is read as it was written", "[dist]") {
  require_law(200, [] {
    const remat::schedule_table table = random_order_table();
    RC_ASSERT(are_equal(remat::parse_schedule(remat::schedule_csv(table)), table));
  });
  const temporary_folder folder;
  const auto path = folder.path() / "schedule.csv";
  remat::write_schedule(path, schedule::gpipe.make(2, 2));
  remat::write_schedule(path, schedule::interleaved<2>.make(2, 4));  // replaces it
  CHECK(are_equal(remat::read_schedule(path), schedule::interleaved<2>.make(2, 4)));
  remat::write_schedule(folder.path() / "halved.csv", schedule::zero_bubble.make(3, 5));
  CHECK(are_equal(remat::read_schedule(folder.path() / "halved.csv"), schedule::zero_bubble.make(3, 5)));
  std::filesystem::remove(folder.path() / "halved.csv");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  const remat::pipeline_schedule as_option = remat::read_schedule(path);
  CHECK(as_option.stages(2) == 4);
}

TEST_CASE("a schedule's file has a line for each task", "[dist]") {
  CHECK(remat::schedule_csv(schedule::gpipe.make(2, 1)) ==
        header + "0,0,forward,0,0\n0,1,backward,0,0\n1,0,forward,1,0\n1,1,backward,1,0\n");
}

TEST_CASE("a backward pass in two tasks has a line for each", "[dist]") {
  CHECK(remat::schedule_csv(schedule::zero_bubble.make(2, 1)) ==
        header +
            "0,0,forward,0,0\n0,1,backward,0,0\n1,0,forward,1,0\n1,1,backward_input,1,0\n"
            "1,2,backward_parameters,1,0\n");
}

TEST_CASE("lines may be in any order, end as on Windows, or be empty", "[dist]") {
  const auto table = remat::parse_schedule(
      "rank,position,kind,stage,microbatch\r\n1,1,backward,1,0\r\n0,0,forward,0,0\r\n\r\n1,0,forward,1,0\r\n"
      "0,1,backward,0,0");
  CHECK(are_equal(table, schedule::gpipe.make(2, 1)));
}

TEST_CASE("malformed files are refused with their line", "[dist]") {
  CHECK_THAT(malformed(""), Contains("mine.csv: is empty; the first line must be 'rank,position,kind,stage,"));
  CHECK_THAT(malformed("0,0,forward,0,0\n"),
             Contains("mine.csv: line 1 '0,0,forward,0,0': the first line must be 'rank,position,kind,stage"));
  CHECK_THAT(malformed(header), Contains("mine.csv: has no tasks"));
  CHECK_THAT(malformed(header + "0,0,forward,0\n"),
             Contains("line 2 '0,0,forward,0': it has 4 fields and must have 5, like 0,0,forward,0,0"));
  CHECK_THAT(malformed(header + "0,0,forward,0,0\n\n0,1,forward,0,1,\n"),
             Contains("line 4") && Contains("has 6 fields"));
  CHECK_THAT(malformed(header + ",,,,\n"), Contains("the kind is ''"));
  CHECK_THAT(malformed(header + "0,0,sideways,0,0\n"),
             Contains("line 2 '0,0,sideways,0,0': the kind is 'sideways' and must be forward, backward, "
                      "backward_input or backward_parameters"));
  CHECK_THAT(malformed(header + "0,0,forward,0,0\n0,1,forward,0,-1\n"),
             Contains("line 3 '0,1,forward,0,-1': microbatch is '-1' and must be a whole number from 0"));
  CHECK_THAT(malformed(header + "0,0,forward,one,0\n"), Contains("line 2") && Contains("stage is 'one'"));
  CHECK_THAT(malformed(header + "0, 0,forward,0,0\n"), Contains("line 2") && Contains("position is ' 0'"));
  CHECK_THAT(malformed(header + "0x,0,forward,0,0\n"), Contains("line 2") && Contains("rank is '0x'"));
  CHECK_THAT(malformed(header + "0,0,forward,99999999999,0\n"), Contains("stage is '99999999999'"));
  CHECK_THAT(malformed(header + "0,0,forward,0,0\n0,0,backward,0,0\n"),
             Contains("lines 2 and 3 are both rank 0, position 0; each is there once"));
  CHECK_THAT(malformed(header + "0,0,forward,0,0\n0,2,backward,0,0\n"),
             Contains("line 3 is rank 0, position 2, and no line is rank 0, position 1"));
  CHECK_THAT(malformed(header + "999999999,0,forward,0,0\n"),
             Contains("line 2 is rank 999999999, position 0, and no line is rank 0, position 0"));
  CHECK_THAT(malformed(header + "0,0,forward,0,0\n1,1,forward,0,0\n"), Contains("no line is rank 1, position 0"));
}

TEST_CASE("bytes that cannot be seen are shown", "[dist]") {
  const std::string text = std::string(remat::schedule_csv_header) + "\n" + std::string("0,0,for\0ward,0,0\n", 17);
  CHECK_THROWS_WITH(remat::parse_schedule(text, "file"),
                    Contains("line 2 '0,0,for\\x00ward,0,0': the kind is 'for\\x00ward'"));
}

TEST_CASE("files that cannot be read or written are named", "[dist]") {
  const temporary_folder folder;
  CHECK_THAT(refusal([&] { remat::read_schedule(folder.path() / "none.csv"); }),
             Contains("none.csv: cannot be opened"));
  CHECK_THAT(refusal([&] { remat::read_schedule(folder.path()); }), Contains("is a folder"));
  const auto in_no_folder = folder.path() / "none" / "a.csv";
  CHECK_THAT(refusal([&] { remat::write_schedule(in_no_folder, schedule::gpipe.make(1, 1)); }),
             Contains("a.csv: cannot be written"));
  CHECK_THAT(refusal([&] { remat::read_schedule(folder.write("bad.csv", "rank\n")); }),
             Contains("bad.csv: line 1 'rank'"));
  std::filesystem::create_directory(folder.path() / "taken");
  CHECK_THAT(refusal([&] { remat::write_schedule(folder.path() / "taken", schedule::gpipe.make(1, 1)); }),
             Contains("taken: cannot be written"));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "taken.partial"));
}

}  // namespace schedule_csv_tests
