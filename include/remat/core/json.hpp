// SPDX-License-Identifier: MIT
/// JSON as values: the only place where remat meets nlohmann-json.
///
/// Reading is strict: a name twice in an object is an error, and so is what nests deeper than the reader expects.
/// Members keep the order of the file. Writing is left to whoever knows the layout; `json_text` quotes a name.
#pragma once

#include <remat/core/error.hpp>
#include <remat/core/shown_text.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace remat {

struct json {
  using array = std::vector<json>;
  using object = std::vector<std::pair<std::string, json>>;

  /// A whole number of at least 0 is a uint64_t; any other number is a double.
  std::variant<std::nullptr_t, bool, std::uint64_t, double, std::string, array, object> held = nullptr;

  /// The value as a T, or a null pointer where it is no T.
  template <class T>
  const T* as() const {
    return std::get_if<T>(&held);
  }
  /// The member of this name; a null pointer where there is none, or where this is no object.
  const json* find(std::string_view name) const {
    if (const object* members = as<object>())
      for (const auto& [key, value] : *members)
        if (key == name) return &value;
    return nullptr;
  }
};

namespace detail {

/// Takes what the parser finds, and builds values of it.
class json_builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  json_builder(std::string file, std::string what, std::size_t deepest)
      : file_(std::move(file)), what_(std::move(what)), deepest_(deepest) {}

  json take() { return std::move(root_); }

  bool null() override { return add({nullptr}); }
  bool boolean(bool value) override { return add({value}); }
  bool number_integer(number_integer_t value) override { return add({static_cast<double>(value)}); }
  bool number_unsigned(number_unsigned_t value) override { return add({std::uint64_t{value}}); }
  bool number_float(number_float_t value, const string_t&) override { return add({value}); }
  bool string(string_t& value) override { return add({std::move(value)}); }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& name) override {
    std::get<json::object>(open_.back()->held).emplace_back(std::move(name), json{});
    return true;
  }
  bool start_object(std::size_t) override { return open({json::object{}}); }
  bool start_array(std::size_t) override { return open({json::array{}}); }
  bool end_object() override {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : std::get<json::object>(open_.back()->held)) names.push_back(name);
    std::ranges::sort(names);
    if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
      throw data_error(file_, "has '" + shown_text(*twice) + "' twice in its " + what_ + "; once is accepted");
    open_.pop_back();
    return true;
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& refused) override {
    constexpr std::size_t start = 300, end = 100;  // the parser quotes what it has read, which may be pages
    const std::string_view all = refused.what();
    std::string why = shown_text(all, start + end);
    if (all.size() > start + end)
      why = shown_text(all, start) + " ... " + shown_text(all.substr(all.size() - end), end);
    throw data_error(file_, "has a " + what_ + " that is no JSON (" + why + ")");
  }

 private:
  json* place(json&& value) {
    if (open_.empty()) return &(root_ = std::move(value));
    if (json::array* const elements = std::get_if<json::array>(&open_.back()->held))
      return &elements->emplace_back(std::move(value));
    return &(std::get<json::object>(open_.back()->held).back().second = std::move(value));
  }
  bool add(json&& value) {
    place(std::move(value));
    return true;
  }
  /// The place of what is open does not move while it is: only the innermost grows.
  bool open(json&& value) {
    if (open_.size() == deepest_)
      throw data_error(file_, "has a " + what_ + " that nests deeper than " + std::to_string(deepest_) +
                                  (deepest_ == 1 ? " level" : " levels"));
    open_.push_back(place(std::move(value)));
    return true;
  }

  std::string file_, what_;
  std::size_t deepest_;
  json root_;
  std::vector<json*> open_;
};

}  // namespace detail

/// The value that a text holds. Throws `data_error`, which names the file and calls the text `what` ("header").
inline json parse_json(const std::string& text, const std::string& file, const std::string& what, std::size_t deepest) {
  if (text.find('\0') != std::string::npos)  // which the parser takes for the end
    throw data_error(file, "has a " + what + " that is no JSON (it holds a zero byte)");
  detail::json_builder builder(file, what, deepest);
  nlohmann::json::sax_parse(text, &builder);
  return builder.take();
}

/// A name in quotes. Throws `data_error` where it is not UTF-8.
inline std::string json_text(const std::string& name, const std::string& file) {
  try {
    return nlohmann::json(name).dump();
  } catch (const nlohmann::json::exception& refused) {
    throw data_error(file, std::string("cannot hold a name that is not UTF-8 (") + refused.what() + ")");
  }
}

}  // namespace remat
