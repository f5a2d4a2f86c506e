// SPDX-License-Identifier: MIT
/// Rank maps: which rank of MPI runs which stage-rank of which replica.
///
/// A job of `size` ranks is a grid: `partitions` ranks form the pipeline of a replica, and `replicas` replicas train
/// side by side. A rank is (`partition`, `replica`) in it. Of 6 ranks, 3 of them in each pipeline:
///
/// | map                       | replica 0 | replica 1 |                                                            |
/// |---------------------------|-----------|-----------|------------------------------------------------------------|
/// | `rank_map::cluster`       | 0 1 2     | 3 4 5     | neighbours in a pipeline are neighbours among the ranks    |
/// | `rank_map::spread`        | 0 2 4     | 1 3 5     | the replicas of a stage are                                |
/// | `rank_map::from_file(f)`  |           |           | as the file says, line by line: partition replica rank       |
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
  /// The rank of (partition, replica), at [partition * replicas + replica].
  std::function<std::vector<int>(int partitions, int replicas)> ranks;
};

/// A map without data, as a constant that costs nothing where it is not used.
struct constant {
  const char* name;
  std::vector<int> (*ranks)(int partitions, int replicas);

  operator setting() const { return {name, ranks}; }  // NOLINT(google-explicit-constructor): it is one
};

}  // namespace rank_map

/// What a rank map makes of a job. Equal on all ranks.
class rank_grid {
 public:
  /// Throws `error` unless `size` ranks form whole pipelines and the map gives each of them one place.
  rank_grid(const rank_map::setting& map, int size, int partitions) : partitions_(partitions) {
    if (size < 1) throw error("a job has at least one rank");
    if (partitions < 1) throw error("a pipeline has at least one rank; it was given " + std::to_string(partitions));
    if (size % partitions != 0)
      throw error(std::to_string(size) + " ranks do not form whole pipelines of " + std::to_string(partitions) +
                  "; start a multiple of " + std::to_string(partitions) + " ranks");
    replicas_ = size / partitions;
    ranks_ = map.ranks(partitions_, replicas_);
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

  int size() const { return partitions_ * replicas_; }
  int partitions() const { return partitions_; }
  int replicas() const { return replicas_; }

  int rank(int partition, int replica) const {
    return ranks_[static_cast<std::size_t>(partition * replicas_ + replica)];
  }
  int partition(int rank) const { return places_[static_cast<std::size_t>(rank)] / replicas_; }
  int replica(int rank) const { return places_[static_cast<std::size_t>(rank)] % replicas_; }

  /// The ranks of the pipeline that `rank` is in, the first stage-rank first.
  std::vector<int> pipeline_group(int rank) const {
    std::vector<int> group;
    for (int s = 0; s < partitions_; ++s) group.push_back(this->rank(s, replica(rank)));
    return group;
  }
  /// The ranks that run the same stages as `rank`, replica 0 first.
  std::vector<int> data_parallel_group(int rank) const {
    std::vector<int> group;
    for (int replica = 0; replica < replicas_; ++replica) group.push_back(this->rank(partition(rank), replica));
    return group;
  }

  friend bool operator==(const rank_grid&, const rank_grid&) = default;

 private:
  std::string text_of(int place) const {
    return "(" + std::to_string(place / replicas_) + ", " + std::to_string(place % replicas_) + ")";
  }

  int partitions_, replicas_ = 1;
  std::vector<int> ranks_;   // of each place
  std::vector<int> places_;  // of each rank
};

namespace rank_map {

inline constexpr constant cluster{"cluster", [](int partitions, int replicas) {
                                    std::vector<int> ranks;
                                    for (int stage = 0; stage < partitions; ++stage)
                                      for (int replica = 0; replica < replicas; ++replica)
                                        ranks.push_back(replica * partitions + stage);
                                    return ranks;
                                  }};

inline constexpr constant spread{"spread", [](int partitions, int replicas) {
                                   std::vector<int> ranks;
                                   for (int rank = 0; rank < partitions * replicas; ++rank) ranks.push_back(rank);
                                   return ranks;
                                 }};

namespace detail {

struct line_of_file {
  int number, partition, replica, rank;
};

inline std::vector<line_of_file> lines_of(const std::filesystem::path& path) {
  std::istringstream file(read_text_file(path, "a rank map has lines of partition replica rank"));
  std::vector<line_of_file> lines;
  std::string text;
  for (int number = 1; std::getline(file, text); ++number) {
    std::istringstream words(text.substr(0, text.find('#')));
    std::string rest;
    if (words >> std::ws; words.eof()) continue;
    line_of_file here{number, 0, 0, 0};
    if (!(words >> here.partition >> here.replica >> here.rank) || words >> rest || here.partition < 0 ||
        here.replica < 0 || here.rank < 0)
      throw data_error(path.string(),
                       "line " + std::to_string(number) +
                           " is not accepted; a line holds three numbers of at least 0: partition replica rank");
    lines.push_back(here);
  }
  return lines;
}

/// The rank of each place, as a `setting` gives it. Throws `data_error` for lines that do not fit this job.
inline std::vector<int> ranks_of(const std::string& file, const std::vector<line_of_file>& lines, int partitions,
                                 int replicas) {
  const auto text = [](int partition, int replica) {
    return "partition " + std::to_string(partition) + " replica " + std::to_string(replica);
  };
  std::vector<int> ranks(static_cast<std::size_t>(partitions * replicas), -1), numbers(ranks.size());
  for (const line_of_file& here : lines) {
    const auto refuse = [&](const std::string& what) {
      throw data_error(file, "line " + std::to_string(here.number) + " " + what);
    };
    if (here.partition >= partitions || here.replica >= replicas)
      refuse("names place (" + std::to_string(here.partition) + ", " + std::to_string(here.replica) +
             "); this job has partition 0 to " + std::to_string(partitions - 1) + " and replica 0 to " +
             std::to_string(replicas - 1));
    const std::size_t place = static_cast<std::size_t>(here.partition * replicas + here.replica);
    if (ranks[place] != -1)
      refuse("names a place that is in an earlier line, line " + std::to_string(numbers[place]) + ": " +
             text(here.partition, here.replica) + "; once is accepted");
    ranks[place] = here.rank;
    numbers[place] = here.number;
  }
  for (int place = 0; place < partitions * replicas; ++place)
    if (ranks[static_cast<std::size_t>(place)] == -1)
      throw data_error(file,
                       "has no line for " + text(place / replicas, place % replicas) + "; one for each is needed");
  return ranks;
}

}  // namespace detail

/// Reads the file at once. Throws `data_error`, which names the file and the line, for what is wrong with it; whether
/// it fits the job is known when the job is.
inline setting from_file(const std::filesystem::path& path) {
  const std::string name = path.string();
  return {name, [name, lines = detail::lines_of(path)](int partitions, int replicas) {
            return detail::ranks_of(name, lines, partitions, replicas);
          }};
}

}  // namespace rank_map
}  // namespace remat
