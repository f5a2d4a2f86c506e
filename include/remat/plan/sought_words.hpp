// SPDX-License-Identifier: MIT
/// Whether the kinds and names that a policy looks for are in a program, of which it is given a part.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/near_name.hpp>
#include <remat/core/policy_search.hpp>
#include <remat/core/policy_setting.hpp>
#include <remat/model/annotation.hpp>
#include <remat/model/program.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace remat::detail {

/// Throws `error` where these nodes of the program, and what is inside of them, lack what the policy looks for; `where`
/// is how the message calls them. The program is one before fusion.
inline void require_words(const program& p, const core::list<int>& modules, const policy_setting& policy,
                          const std::string& where) {
  const sought_word* const missing = first_missing(policy.seeks(), [&](const sought_word& word) {
    return std::ranges::any_of(modules, [&](int n) { return has_word(p, n, word); });
  });
  if (missing == nullptr) return;
  std::vector<std::string> known;
  for (const int n : modules)
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
