// SPDX-License-Identifier: MIT
/// Whether the kinds and names that a policy looks for are in a program, of which it is given a part.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/near_name.hpp>
#include <remat/core/policy.hpp>
#include <remat/core/policy_search.hpp>
#include <remat/model/program.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace remat::detail {

/// Throws `error` where node n of the program, and what is inside, lack what the policy looks for; `where` is how the
/// message calls them. The program is one before fusion.
inline void require_words(const program& p, int n, const policy_setting& policy, const std::string& where) {
  const auto is_here = [&](int k, const sought_word& word) {
    const module_node& here = p.nodes[k];
    if (!word.is_kind) return here.name == word.text;
    return here.end == k + 1 && here.kind == word.text;
  };
  const sought_word* const missing = first_missing(policy.seeks(), [&](const sought_word& word) {
    for (int k = n; k < p.nodes[n].end; ++k)
      if (is_here(k, word)) return true;
    return false;
  });
  if (missing == nullptr) return;
  std::vector<std::string> known;
  for (int k = n; k < p.nodes[n].end; ++k) {
    const module_node& here = p.nodes[k];
    const std::string_view text = missing->is_kind ? (here.end == k + 1 ? here.kind : "") : here.name;
    if (!text.empty() && std::ranges::find(known, text) == known.end()) known.emplace_back(text);
  }
  const std::string nearest = nearest_name(missing->text, known);
  const std::string word = std::string(missing->is_kind ? "kind" : "name") + " '" + std::string(missing->text) + "'";
  throw error("the policy '" + std::string(policy.name()) + "' is about the " + word + ", and " + where +
              " has no module of it; " +
              (known.empty() ? "nothing there has a name" : "there are " + quoted_names(known)) +
              (nearest.empty() ? "" : "; the nearest is '" + nearest + "'"));
}

}  // namespace remat::detail
