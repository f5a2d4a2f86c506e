// SPDX-License-Identifier: MIT
/// Programs written down as a tree of modules, for what looks at nothing but nodes, checkpoints and stages.
#pragma once

#include <remat/core/policies.hpp>
#include <remat/model/program.hpp>

#include <initializer_list>
#include <string_view>
#include <vector>

/// A module has the children between `open` and `close`; a layer has one operation, or none where it is fused away.
class tree {
 public:
  using checkpoints = std::initializer_list<remat::checkpoint_setting>;

  tree& open(std::string_view name, bool is_sequential = true, checkpoints around = {}) {
    begin(name, is_sequential ? "sequential" : "block", around).is_sequential = is_sequential;
    return *this;
  }
  tree& close() {
    remat::module_node& here = made_.nodes[open_.back()];
    here.last = made_.operations.count();
    here.end = made_.nodes.count();
    open_.pop_back();
    return *this;
  }
  tree& layer(std::string_view name, checkpoints around = {}, int operations = 1) {
    begin(name, "linear", around);
    for (int i = 0; i < operations; ++i) {
      remat::operation o;
      o.kind = "linear";
      o.node = open_.back();
      o.flops = 1;
      made_.operations.push_back(o);
    }
    return close();
  }
  tree& layers(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) layer(name);
    return *this;
  }
  const remat::program& program() const { return made_; }

 private:
  remat::module_node& begin(std::string_view name, std::string_view kind, checkpoints around) {
    remat::module_node n;
    n.name = name;
    n.kind = kind;
    n.parent = open_.empty() ? remat::core::none : open_.back();
    n.first = made_.operations.count();
    for (int c = n.parent + 1; n.parent != remat::core::none && c < made_.nodes.count(); c = made_.nodes[c].end)
      ++n.position;
    for (const remat::checkpoint_setting& c : around) n.checkpoints.push_back(c);
    open_.push_back(made_.nodes.count());
    return made_.nodes.push_back(n);
  }

  remat::program made_;
  std::vector<int> open_;
};

/// The program with a new stage from each of these operations on.
inline remat::program cut(remat::program p, const std::vector<int>& boundaries) {
  for (const int boundary : boundaries)
    for (int i = boundary; i < p.operations.count(); ++i) ++p.operations[i].stage;
  return p;
}
