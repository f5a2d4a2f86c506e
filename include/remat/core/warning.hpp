// SPDX-License-Identifier: MIT
/// Warnings: what a user may want to know, while the work goes on and stays correct.
///
/// Each has a name, and is silenced by it. They go to std::cerr, one line each, or to a function of the user's:
///
///     remat::silence_warning(remat::warning_names::skipped_checkpoint);
///     remat::send_warnings_to([](const remat::warning& w) { my_log(w.name, w.text); });
///
/// All of this may be called by several threads; the user's function is called by one at a time, and may call all of it
/// but `warn`.
#pragma once

#include <remat/core/language.hpp>

#include <functional>
#include <iostream>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace remat {

struct warning {
  std::string name;
  std::string text;  ///< a full sentence without a final period
};

namespace warning_names {

/// A checkpoint that is on two stages of an automatic partition.
inline constexpr std::string_view skipped_checkpoint = "skipped_checkpoint";
/// Weights whose config.json is of another model (io/configuration.hpp).
inline constexpr std::string_view other_configuration = "other_configuration";

}  // namespace warning_names

namespace detail {

struct warning_settings {
  std::mutex mutex;
  std::recursive_mutex of_calls;  ///< of the receiver, which may change the settings, itself among them
  std::set<std::string, std::less<>> silenced;
  std::function<void(const warning&)> receiver;

  static warning_settings& of_process() {
    static warning_settings settings;
    return settings;
  }
};

}  // namespace detail

/// Warns, unless warnings of this name are silenced.
inline void warn(std::string_view name, std::string text) {
  detail::warning_settings& settings = detail::warning_settings::of_process();
  const std::lock_guard one_at_a_time(settings.of_calls);
  std::function<void(const warning&)> receiver;
  {
    const std::lock_guard lock(settings.mutex);
    if (settings.silenced.contains(name)) return;
    receiver = settings.receiver;
  }
  if (receiver)
    receiver({std::string(name), std::move(text)});
  else
    std::cerr << "remat: warning: " + text + " [" + std::string(name) + "]\n";
}

inline void silence_warning(std::string_view name) {
  detail::warning_settings& settings = detail::warning_settings::of_process();
  const std::lock_guard lock(settings.mutex);
  settings.silenced.emplace(name);
}

/// Takes back `silence_warning`.
inline void allow_warning(std::string_view name) {
  detail::warning_settings& settings = detail::warning_settings::of_process();
  const std::lock_guard lock(settings.mutex);
  settings.silenced.erase(std::string(name));
}

/// An empty function sends them to std::cerr again. Afterwards no other thread runs the one before.
inline void send_warnings_to(std::function<void(const warning&)> receiver) {
  detail::warning_settings& settings = detail::warning_settings::of_process();
  const std::lock_guard no_call(settings.of_calls);
  const std::lock_guard lock(settings.mutex);
  settings.receiver = std::move(receiver);
}

}  // namespace remat
