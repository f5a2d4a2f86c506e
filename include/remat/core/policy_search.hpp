// SPDX-License-Identifier: MIT
/// What policies look for by a word, and whether it is there: a kind, or the name of a module. A word that matches
/// nothing is a typing error, which nothing else would show: it is refused.
#pragma once

#include <remat/core/language.hpp>

#include <span>
#include <string_view>

namespace remat::detail {

struct sought_word {
  std::string_view text;
  bool is_kind;     ///< of operations; else the name of a module
  bool is_spelled;  ///< by the user: the kind of a module's type cannot be misspelled
};

/// A policy that looks for words, which `seeks` lists.
template <class P>
concept SeeksWords = requires {
  std::span<const sought_word>(P::seeks);
};

/// The first of the words that is refused, or null: one that is spelled and not there, or all where none is there.
template <class IsThere>
constexpr const sought_word* first_missing(std::span<const sought_word> all, const IsThere& is_there) {
  bool is_any_there = all.empty();
  for (const sought_word& word : all) {
    const bool is_here = is_there(word);
    if (!is_here && word.is_spelled) return &word;
    is_any_there = is_any_there || is_here;
  }
  return is_any_there ? nullptr : &all[0];
}

}  // namespace remat::detail
