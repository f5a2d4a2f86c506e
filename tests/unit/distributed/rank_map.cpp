// SPDX-License-Identifier: MIT
#include "temporary_folder.hpp"

#include <remat/distributed/rank_map.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace rank_map_tests {

namespace rank_map = remat::rank_map;
using Catch::Matchers::Contains;
using remat::rank_grid;
using ranks = std::vector<int>;

/// The six ranks of two pipelines of three, from a file.
rank_grid from(const std::string& text) {
  const temporary_folder folder;
  return {rank_map::from_file(folder.write("map", text)), 6, 3};
}

TEST_CASE("neighbours in a pipeline are adjacent, or the replicas of a stage", "[dist][rank_map]") {
  const rank_grid cluster(rank_map::cluster, 6, 3), spread(rank_map::spread, 6, 3);
  CHECK(cluster.pipeline_group(0) == ranks{0, 1, 2});
  CHECK(cluster.pipeline_group(4) == ranks{3, 4, 5});
  CHECK(cluster.data_parallel_group(4) == ranks{1, 4});
  CHECK(spread.pipeline_group(0) == ranks{0, 2, 4});
  CHECK(spread.pipeline_group(3) == ranks{1, 3, 5});
  CHECK(spread.data_parallel_group(3) == ranks{2, 3});
}

TEST_CASE("a rank and its place say the same", "[dist][rank_map]") {
  for (const rank_map::constant& map : {rank_map::cluster, rank_map::spread})
    for (int pp = 1; pp <= 5; ++pp)
      for (int dp = 1; dp <= 5; ++dp) {
        const rank_grid grid(map, pp * dp, pp);
        CAPTURE(map.name, pp, dp);
        CHECK((grid.size() == pp * dp && grid.partitions() == pp && grid.replicas() == dp));
        for (int rank = 0; rank < pp * dp; ++rank) {
          CHECK(grid.rank(grid.partition(rank), grid.replica(rank)) == rank);
          CHECK(grid.pipeline_group(rank)[static_cast<std::size_t>(grid.partition(rank))] == rank);
          CHECK(grid.data_parallel_group(rank)[static_cast<std::size_t>(grid.replica(rank))] == rank);
        }
      }
}

TEST_CASE("a rank map from a file", "[dist][rank_map]") {
  const rank_grid grid = from("# pp dp rank\n0 0 5\n1 0 4\n2 0 3 # the last stage\n\n0 1 0\n 1 1 1\n2 1 2\n");
  CHECK(grid.pipeline_group(4) == ranks{5, 4, 3});
  CHECK(grid.data_parallel_group(2) == ranks{3, 2});
  CHECK(grid == from("0 0 5\n0 1 0\n1 0 4\n1 1 1\n2 0 3\n2 1 2"));
  CHECK_FALSE(grid == rank_grid(rank_map::cluster, 6, 3));
}

TEST_CASE("a rank map that does not fit is refused", "[dist][rank_map]") {
  CHECK_THROWS_WITH(rank_grid(rank_map::cluster, 6, 4),
                    Contains("6 ranks do not form whole pipelines of 4; start a multiple of 4"));
  CHECK_THROWS_WITH(rank_grid(rank_map::cluster, 2, 3), Contains("2 ranks do not form whole pipelines of 3"));
  CHECK_THROWS_WITH(rank_grid(rank_map::cluster, 2, 0), Contains("a pipeline has at least one rank"));
  CHECK_THROWS_WITH(rank_grid(rank_map::cluster, 0, 1), Contains("a job has at least one rank"));
  const auto fixed = [](ranks given) { return rank_map::setting{"mine", [=](int, int) { return given; }}; };
  CHECK_THROWS_WITH(rank_grid(fixed({0, 1}), 3, 3), Contains("'mine' gives 2 places for 3 ranks"));
  CHECK_THROWS_WITH(rank_grid(fixed({0, 1, 3}), 3, 3), Contains("'mine' names rank 3; this job has ranks 0 to 2"));
  CHECK_THROWS_WITH(rank_grid(fixed({0, 1, 0}), 3, 3), Contains("'mine' gives rank 0 two places, (0, 0) and (2, 0)"));
  CHECK_THROWS_WITH(rank_map::from_file("/no/such/file"),
                    Contains("/no/such/file: cannot be opened (No such file or directory); a rank map has"));
  const std::string most = "0 0 0\n0 1 1\n1 0 2\n1 1 3\n2 0 4\n";
  for (const auto& [line, what] : std::vector<std::pair<std::string, std::string>>{
           {"2 1", "line 6 is not accepted; a line holds three numbers"},
           {"2 1 5 5", "line 6 is not accepted"},
           {"2 1 five", "line 6 is not accepted"},
           {"2 1 -5", "line 6 is not accepted"},
           {"2 2 5", "line 6 names place (2, 2); this job has partition 0 to 2 and replica 0 to 1"},
           {"2 0 5", "line 6 names a place that is in an earlier line, line "},
           {"", "has no line for partition 2 replica 1"},
           {"2 1 6", "names rank 6; this job has ranks 0 to 5"},
           {"2 1 3", "gives rank 3 two places, (1, 1) and (2, 1)"}}) {
    CAPTURE(line);
    CHECK_THROWS_WITH(from(most + line), Contains("map") && Contains(what));
  }
}

}  // namespace rank_map_tests
