// SPDX-License-Identifier: MIT
/// Partitions by hand: from the type, from boundaries, or from a stage for each of some modules.
///
///     .partition = partition::in_type                                       what on_stage says
///     .partition = partition::at({"fc1", "fc2"})                            each of these begins a new stage
///     .partition = partition::boundaries({4, 9})                            so do these operations of the fused program
///     .partition = partition::by_path({{"features", 0}, {"classifier.fc1", 1}})
///
/// `by_path` follows the same rules as `on_stage`: the innermost number wins, a module without one is on the stage of
/// the module before it (0 at the start), and numbers never fall along the program. A module that is fused into the one
/// before it is there.
#pragma once

#include <remat/partition/partition_setting.hpp>
#include <remat/plan/annotate.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace remat::partition {
namespace detail {

/// The stage of each operation, from the first operations of the stages after 0, which must rise.
inline core::list<int> stages_from(const program& p, const core::list<int>& first_operations) {
  core::list<int> stages(p.operations.size());
  for (const int first : first_operations)
    for (int i = first; i < p.operations.count(); ++i) ++stages[i];
  return stages;
}

/// Follows a program, module by module, with the numbers that some of them were given.
class numbering {
 public:
  numbering(const program& p, const std::vector<int>& numbers)
      : p_(p), numbers_(numbers), stages_(p.operations.size()) {}

  core::list<int> run() {
    for (int n = 0; n < p_.nodes.count(); n = p_.nodes[n].end) visit(n, core::none);
    return std::move(stages_);
  }

 private:
  /// `given_by` is the innermost module around n that has a number.
  void visit(int n, int given_by) {
    if (numbers_[static_cast<std::size_t>(n)] != core::none) given_by = n;
    const module_node& here = p_.nodes[n];
    if (here.end > n + 1) {
      for (int c = n + 1; c < here.end; c = p_.nodes[c].end) visit(c, given_by);
      return;
    }
    if (given_by != core::none) {
      const int number = numbers_[static_cast<std::size_t>(given_by)];
      if (number < stage_)
        throw error("stage numbers must not fall along the program, and " + quoted_path(p_, given_by) +
                    " is given stage " + std::to_string(number) + " after " + quoted_path(p_, before_) + " on stage " +
                    std::to_string(stage_) + "; give the later module the number of the earlier one, or a higher one");
      if (number > stage_) before_ = given_by;
      stage_ = number;
    }
    for (int i = here.first; i < here.last; ++i) stages_[i] = stage_;
  }

  const program& p_;
  const std::vector<int>& numbers_;  // of each node
  core::list<int> stages_;
  int stage_ = 0, before_ = 0;  // and which module gave it
};

}  // namespace detail

/// The stages that the type gives with `on_stage`.
inline constexpr constant in_type{"in_type", false, [](const program& p, const request&) {
                                    core::list<int> stages;
                                    for (const operation& o : p.operations) stages.push_back(o.stage);
                                    return stages;
                                  }};

/// A new stage begins at each of these operations of the fused program, counted from 0; they must rise.
inline setting boundaries(std::vector<int> operations) {
  return {"boundaries", false, [operations = std::move(operations)](const program& p, const request&) {
            core::list<int> firsts;
            for (const int first : operations) {
              if (first <= (firsts.empty() ? 0 : firsts.back()) || first >= p.operations.count())
                throw error("the boundary " + std::to_string(first) + " is not accepted; boundaries rise from 1 to " +
                            std::to_string(p.operations.count() - 1) + ", the model's last operation");
              firsts.push_back(first);
            }
            return detail::stages_from(p, firsts);
          }};
}

/// A new stage begins at each of these modules, in the program's order.
inline setting at(std::vector<std::string> paths) {
  return {"at", false, [paths = std::move(paths)](const program& p, const request&) {
            core::list<int> firsts;
            std::string before;
            for (const std::string& path : paths) {
              const int first = p.nodes[remat::detail::require_node(p, path)].first;
              if (first == 0)
                throw error("the boundary '" + path +
                            "' is the start of the model, where stage 0 begins; name the modules with which the "
                            "stages after it begin");
              if (first >= p.operations.count())
                throw error("the boundary '" + path + "' has no operation after it; name a module before it");
              if (!firsts.empty() && first <= firsts.back())
                throw error("the boundary '" + path + "' is not after '" + before +
                            "'; name modules in the program's order, with an operation between any two (a module that "
                            "is fused into the one before it has none of its own)");
              firsts.push_back(first);
              before = path;
            }
            return detail::stages_from(p, firsts);
          }};
}

/// Stages by path, in any order.
inline setting by_path(std::vector<std::pair<std::string, int>> stages) {
  return {"by_path", false, [stages = std::move(stages)](const program& p, const request&) {
            std::vector<int> numbers(p.nodes.size(), core::none);
            for (const auto& [path, stage] : stages) {
              if (stage < 0)
                throw error("the module '" + path + "' is given stage " + std::to_string(stage) +
                            "; stages are numbered from 0");
              int& number = numbers[static_cast<std::size_t>(remat::detail::require_node(p, path))];
              if (number != core::none) throw error("the module '" + path + "' is given two stages; one is accepted");
              number = stage;
            }
            return detail::numbering(p, numbers).run();
          }};
}

}  // namespace remat::partition
