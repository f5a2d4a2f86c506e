// SPDX-License-Identifier: MIT
/// Rank maps: which rank of MPI runs which stage-rank of which replica.
///
/// A job of `size` ranks is a grid: `pp_size` ranks form the pipeline of a replica, and `dp_size` replicas train side
/// by side. A rank is (`pp_rank`, `dp_rank`) in it. Of 6 ranks, 3 of them in each pipeline:
///
/// | map                       | replica 0 | replica 1 |                                                            |
/// |---------------------------|-----------|-----------|------------------------------------------------------------|
/// | `rank_map::cluster`       | 0 1 2     | 3 4 5     | neighbours in a pipeline are neighbours among the ranks    |
/// | `rank_map::spread`        | 0 2 4     | 1 3 5     | the replicas of a stage are                                |
/// | `rank_map::from_file(f)`  |           |           | as the file says, line by line: pp_rank dp_rank rank       |
///
/// In a file, empty lines and what follows a # are skipped. Every pair and every rank is there once.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/text_file.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace remat {
namespace rank_map {

struct setting {
  std::string name;
  /// The rank of (pp_rank, dp_rank), at [pp_rank * dp_size + dp_rank].
  std::function<std::vector<int>(int pp_size, int dp_size)> ranks;
};

/// A map without data, as a constant that costs nothing where it is not used.
struct constant {
  const char* name;
  std::vector<int> (*ranks)(int pp_size, int dp_size);

  operator setting() const { return {name, ranks}; }  // NOLINT(google-explicit-constructor): it is one
};

}  // namespace rank_map

/// What a rank map makes of a job. Equal on all ranks.
class rank_grid {
 public:
  /// Throws `error` unless `size` ranks form whole pipelines and the map gives each of them one place.
  rank_grid(const rank_map::setting& map, int size, int pp_size) : pp_size_(pp_size) {
    if (size < 1) throw error("a job has at least one rank");
    if (pp_size < 1) throw error("a pipeline has at least one rank; it was given " + std::to_string(pp_size));
    if (size % pp_size != 0)
      throw error(std::to_string(size) + " ranks do not form whole pipelines of " + std::to_string(pp_size) +
                  "; start a multiple of " + std::to_string(pp_size) + " ranks");
    dp_size_ = size / pp_size;
    ranks_ = map.ranks(pp_size_, dp_size_);
    if (ranks_.size() != static_cast<std::size_t>(size))
      throw error("the rank map '" + map.name + "' gives " + std::to_string(ranks_.size()) + " places for " +
                  std::to_string(size) + " ranks; it must give one for each");
    places_.assign(ranks_.size(), -1);
    for (std::size_t place = 0; place < ranks_.size(); ++place) {
      const int rank = ranks_[place];
      if (rank < 0 || rank >= size)
        throw error("the rank map '" + map.name + "' names rank " + std::to_string(rank) +
                    "; this job has ranks 0 to " + std::to_string(size - 1));
      int& known = places_[static_cast<std::size_t>(rank)];
      if (known != -1)
        throw error("the rank map '" + map.name + "' gives rank " + std::to_string(rank) + " two places, " +
                    text_of(known) + " and " + text_of(static_cast<int>(place)) + "; one is accepted");
      known = static_cast<int>(place);
    }
  }

  int size() const { return pp_size_ * dp_size_; }
  int pp_size() const { return pp_size_; }
  int dp_size() const { return dp_size_; }

  int rank(int pp_rank, int dp_rank) const { return ranks_[static_cast<std::size_t>(pp_rank * dp_size_ + dp_rank)]; }
  int pp_rank(int rank) const { return places_[static_cast<std::size_t>(rank)] / dp_size_; }
  int dp_rank(int rank) const { return places_[static_cast<std::size_t>(rank)] % dp_size_; }

  /// The ranks of the pipeline that `rank` is in, the first stage-rank first.
  std::vector<int> pipeline_group(int rank) const {
    std::vector<int> group;
    for (int s = 0; s < pp_size_; ++s) group.push_back(this->rank(s, dp_rank(rank)));
    return group;
  }
  /// The ranks that run the same stages as `rank`, replica 0 first.
  std::vector<int> data_parallel_group(int rank) const {
    std::vector<int> group;
    for (int replica = 0; replica < dp_size_; ++replica) group.push_back(this->rank(pp_rank(rank), replica));
    return group;
  }

  friend bool operator==(const rank_grid&, const rank_grid&) = default;

 private:
  std::string text_of(int place) const {
    return "(" + std::to_string(place / dp_size_) + ", " + std::to_string(place % dp_size_) + ")";
  }

  int pp_size_, dp_size_ = 1;
  std::vector<int> ranks_;   // of each place
  std::vector<int> places_;  // of each rank
};

namespace rank_map {

inline constexpr constant cluster{"cluster", [](int pp_size, int dp_size) {
                                    std::vector<int> ranks;
                                    for (int stage = 0; stage < pp_size; ++stage)
                                      for (int replica = 0; replica < dp_size; ++replica)
                                        ranks.push_back(replica * pp_size + stage);
                                    return ranks;
                                  }};

inline constexpr constant spread{"spread", [](int pp_size, int dp_size) {
                                   std::vector<int> ranks;
                                   for (int rank = 0; rank < pp_size * dp_size; ++rank) ranks.push_back(rank);
                                   return ranks;
                                 }};

/// Reads the file at once. Throws `data_error`, which names the file and the line, for what is wrong with it; whether
/// it fits the job is known when the job is.
inline setting from_file(const std::filesystem::path& path) {
  struct entry {
    int line, pp_rank, dp_rank, rank;
  };
  const std::string name = path.string();
  std::istringstream file(read_text_file(path, "a rank map has lines of pp_rank dp_rank rank"));
  std::vector<entry> entries;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string rest;
    if (words >> std::ws; words.eof()) continue;
    entry e{number, 0, 0, 0};
    if (!(words >> e.pp_rank >> e.dp_rank >> e.rank) || words >> rest || e.pp_rank < 0 || e.dp_rank < 0 || e.rank < 0)
      throw data_error(name, "line " + std::to_string(number) +
                                 " is not accepted; a line holds three numbers of at least 0: pp_rank dp_rank rank");
    entries.push_back(e);
  }
  return {name, [name, entries = std::move(entries)](int pp_size, int dp_size) {
            const auto refuse = [&](int at, const std::string& what) {
              throw data_error(name, "line " + std::to_string(at) + " " + what);
            };
            std::vector<int> ranks(static_cast<std::size_t>(pp_size * dp_size), -1), lines(ranks.size());
            for (const entry& e : entries) {
              if (e.pp_rank >= pp_size || e.dp_rank >= dp_size)
                refuse(e.line, "names place (" + std::to_string(e.pp_rank) + ", " + std::to_string(e.dp_rank) +
                                   "); this job has pp_rank 0 to " + std::to_string(pp_size - 1) +
                                   " and dp_rank 0 to " + std::to_string(dp_size - 1));
              const std::size_t place = static_cast<std::size_t>(e.pp_rank * dp_size + e.dp_rank);
              if (ranks[place] != -1)
                refuse(e.line, "names a place that is in an earlier line, line " + std::to_string(lines[place]) +
                                   ": pp_rank " + std::to_string(e.pp_rank) + " dp_rank " + std::to_string(e.dp_rank) +
                                   "; once is accepted");
              ranks[place] = e.rank;
              lines[place] = e.line;
            }
            for (std::size_t place = 0; place < ranks.size(); ++place)
              if (ranks[place] == -1)
                throw data_error(name, "has no line for pp_rank " +
                                           std::to_string(place / static_cast<std::size_t>(dp_size)) + " dp_rank " +
                                           std::to_string(place % static_cast<std::size_t>(dp_size)) +
                                           "; one for each is needed");
            return ranks;
          }};
}

}  // namespace rank_map
}  // namespace remat
