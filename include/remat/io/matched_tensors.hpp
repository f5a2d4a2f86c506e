// SPDX-License-Identifier: MIT
/// Which tensor of some files each named tensor of a model is read from.
///
/// A parameter that modules share has a name for each of its places, and the file may have it under any of them:
/// PyTorch keeps one or all. PyTorch counts batches in `num_batches_tracked`, which nothing of remat's reads: it is
/// skipped. What files of a published architecture call weights, and hold beyond them, the model says itself
/// (file_names.hpp).
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/near_name.hpp>
#include <remat/core/shown_text.hpp>
#include <remat/core/text_pattern.hpp>
#include <remat/io/file_names.hpp>
#include <remat/io/load_options.hpp>
#include <remat/io/tensor_files.hpp>
#include <remat/run/named_tensor.hpp>
#include <remat/run/tensor_list.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace remat::detail {

/// Some things of one kind that a message lists.
class listing {
 public:
  void add(const std::string& what) {
    if (count_++ < most) text_ += (text_.empty() ? "" : ", ") + what;
  }
  std::string text(const char* title) const {
    if (count_ == 0) return "";
    return std::string("; ") + title + ": " + text_ +
           (count_ > most ? " and " + std::to_string(count_ - most) + " more" : "");
  }

 private:
  static constexpr std::size_t most = 20;
  std::size_t count_ = 0;
  std::string text_;
};

class tensor_matcher {
 public:
  /// For each, in order, that of the file; null for one that is allowed to stay as it is, or not to be there.
  std::vector<const safetensor*> tensors;
  load_report report;

  /// Throws a `data_error` that lists all that does not fit.
  tensor_matcher(const tensor_files& file, const tensor_list& all, const load_options& options)
      : file_(file), options_(options), published_(all), is_expected_(file.tensors().size()) {
    const std::span<const named_tensor> weights(all.begin(), all.end());
    if (file.tensors().empty() && !weights.empty())
      throw data_error(file.name(), "holds no tensors, and the model, which is unchanged, has weights");
    give_names();
    require_known(weights);
    for (const named_tensor& w : weights) tensors.push_back(match(w));
    for (std::size_t i = 0; i < is_expected_.size(); ++i)
      if (!is_expected_[i] && !names_[i].ends_with("num_batches_tracked") && !published_.is_ignored(names_[i]))
        add_unexpected(i);
    const std::string wrong = missing_.text("missing") + misshapen_.text("of another shape") +
                              unreadable_.text("of a type that is not read") +
                              unequal_.text("one parameter of the model, and not equal in the file") +
                              unexpected_.text("unexpected (accepted with {.ignore_unexpected = true})");
    if (!wrong.empty()) throw data_error(file.name(), "does not fit the model, which is unchanged" + wrong);
    if (report.loaded.empty() && !weights.empty())
      throw data_error(file.name(), "has nothing of the model, which is unchanged: its first tensor is '" +
                                        shown_text(names_.front()) + "', the model's first weight '" +
                                        weights.front().name +
                                        "'; names that begin otherwise are accepted with {.rename = {{\"old.\", "
                                        "\"new.\"}}}");
  }

 private:
  /// What the tensors of the file are called in the model.
  void give_names() {
    bool is_renamed = options_.rename.empty();
    std::map<std::string, std::size_t> index_of;
    for (const safetensor& t : file_.tensors()) {
      std::string name = t.name;
      for (const auto& [from, to] : options_.rename) {
        if (!name.starts_with(from)) continue;
        name = to + name.substr(from.size());
        is_renamed = true;
      }
      const auto [other, is_new] = index_of.emplace(name, names_.size());
      if (!is_new)
        throw data_error(file_.name(), "has '" + shown_text(file_.tensors()[other->second].name) + "' and '" +
                                           shown_text(t.name) + "', which are both '" + shown_text(name) +
                                           "' when they are renamed; a rename for one of them alone is accepted");
      if (const auto known = published_.in_model(name)) places_of_[*known].push_back(names_.size());
      names_.push_back(std::move(name));
    }
    if (!is_renamed) refuse_renames();
  }

  /// Renames of which none is anybody's are a mistake. (One of several may be: a list of wrappers serves many files.)
  [[noreturn]] void refuse_renames() const {
    const std::string& from = options_.rename.front().first;
    if (file_.tensors().empty())
      throw error("load_weights: rename has '" + from + "', and " + file_.name() + " holds no tensors");
    std::vector<std::string> beginnings;
    for (const safetensor& t : file_.tensors()) {
      const std::string_view name(t.name);
      for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1))
        if (std::string each(name.substr(0, dot + 1)); std::ranges::find(beginnings, each) == beginnings.end())
          beginnings.push_back(std::move(each));
    }
    const std::string nearest = nearest_name(from, beginnings);
    throw error("load_weights: rename has '" + from + "', with which no name in " + file_.name() +
                " begins; its first tensor is '" + shown_text(file_.tensors().front().name) + "'" +
                (nearest.empty() ? "" : ", and the nearest beginning is '" + shown_text(nearest) + "'"));
  }

  static bool matches(const std::vector<std::string>& patterns, std::string_view name) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) {
      return pattern.empty() || is_text_of_pattern(name, pattern) || is_text_of_pattern(name, pattern + ".*");
    });
  }
  static bool matches(const std::vector<std::string>& patterns, const named_tensor& w) {
    return std::ranges::any_of(w.names, [&](const std::string& name) { return matches(patterns, name); });
  }

  /// A pattern that is nothing's is a mistake.
  void require_known(std::span<const named_tensor> weights) const {
    for (const std::string& pattern : options_.allow_missing)
      if (std::ranges::none_of(weights, [&](const named_tensor& w) { return matches({pattern}, w); })) {
        listing known;
        for (const named_tensor& w : weights) known.add(w.name);
        throw error("load_weights: allow_missing has '" + pattern + "', which is no weight of the model" +
                    known.text("it has"));
      }
  }

  const safetensor* match(const named_tensor& w) {
    const safetensor* found = nullptr;
    for (const std::string& name : w.names) {
      const auto at = places_of_.find(name);
      if (at == places_of_.end()) continue;
      for (const std::size_t place : at->second) {
        is_expected_[place] = true;
        const safetensor& t = file_.tensors()[place];
        if (found == nullptr)
          found = &t;
        else if (!file_.has_equal(*found, t))
          unequal_.add(shown_text(found->name) + " and " + shown_text(t.name));
      }
    }
    if (found == nullptr && w.keep && count_in_file(w.counted_by) == 0) return nullptr;  // it need not be there
    const bool may_stay = matches(options_.allow_missing, w);
    if (found == nullptr) {
      if (may_stay || !options_.strict)
        report.missing.push_back(w.name);
      else
        missing_.add(w.name + " " + shape_text(w.shape_in_files()));
      return nullptr;
    }
    if (found->shape != w.shape_in_files()) {
      if (may_stay)
        report.mismatched.push_back(w.name);
      else
        misshapen_.add(w.name + " is " + shape_text(found->shape) + " in the file and " +
                       shape_text(w.shape_in_files()) + " in the model");
      return nullptr;
    }
    if (!safetensors_file::is_readable(found->type, w.type))
      unreadable_.add(w.name + " is " + shown_text(found->type) + "; " + safetensors_file::readable_types(w.type) +
                      (w.type == element::float32 ? " are accepted" : " is accepted"));
    if (w.role == tensor_role::counter && w.name.ends_with("/steps")) require_steps(w.name, count_in_file(w.name));
    report.loaded.push_back(w.name);
    return found;
  }
  /// 0 where the file has none that can be read.
  std::uint64_t count_in_file(const std::string& name) const {
    const auto at = places_of_.find(name);
    if (at == places_of_.end()) return 0;
    const safetensor& t = file_.tensors()[at->second.front()];
    std::uint64_t count = 0;
    if (t.elements() == 1 && safetensors_file::is_readable(t.type, element::uint64))
      file_.read_part(t, element::uint64, 0, std::as_writable_bytes(std::span(&count, 1)));
    return count;
  }
  /// More than any training takes, which the next step would take for none.
  void require_steps(const std::string& name, std::uint64_t count) const {
    if (count > std::uint64_t{1} << 53)
      throw data_error(file_.name(), "has " + std::to_string(count) + " for '" + name +
                                         "', a number of steps; up to 2^53 are accepted");
  }

  void add_unexpected(std::size_t i) {
    const safetensor& t = file_.tensors()[i];
    if (options_.ignore_unexpected || !options_.strict || matches(options_.allow_unexpected, names_[i]))
      report.unexpected.push_back(t.name);
    else
      unexpected_.add(shown_text(t.name) + (names_[i] == t.name ? "" : " (renamed " + shown_text(names_[i]) + ")") +
                      " " + shape_text(t.shape));
  }

  const tensor_files& file_;
  const load_options& options_;
  const file_names published_;
  std::vector<std::string> names_;  // of the file's tensors, as the model would have them
  std::map<std::string, std::vector<std::size_t>, std::less<>> places_of_;  // of each weight's name
  std::vector<bool> is_expected_;
  listing missing_, misshapen_, unreadable_, unequal_, unexpected_;
};

}  // namespace remat::detail
