// SPDX-License-Identifier: MIT
#include <remat/core/warning.hpp>

#include <catch2/catch.hpp>

#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace warning_tests {

/// What std::cerr is told while it lives.
class overheard {
 public:
  overheard() : before_(std::cerr.rdbuf(text_.rdbuf())) {}
  ~overheard() { std::cerr.rdbuf(before_); }
  overheard(const overheard&) = delete;
  overheard& operator=(const overheard&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

TEST_CASE("a warning goes to std::cerr, with its name", "[core][warning]") {
  const overheard cerr;
  remat::warn("a_name", "Something happened");
  CHECK(cerr.text() == "remat: warning: Something happened [a_name]\n");
}

TEST_CASE("warnings are silenced one by one", "[core][warning]") {
  std::vector<std::string> heard;
  remat::send_warnings_to([&](const remat::warning& w) { heard.push_back(w.name + ": " + w.text); });
  remat::silence_warning("a_name");
  remat::warn("a_name", "1");
  remat::warn("another_name", "2");
  remat::allow_warning("a_name");
  remat::warn("a_name", "3");
  remat::send_warnings_to({});
  CHECK(heard == std::vector<std::string>{"another_name: 2", "a_name: 3"});
}

TEST_CASE("who receives a warning may silence it, and hand the others on", "[core][warning]") {
  std::vector<std::string> heard, by_next;
  remat::send_warnings_to([&](const remat::warning& w) {
    heard.push_back(w.text);
    remat::silence_warning(w.name);
    remat::send_warnings_to([&](const remat::warning& next) { by_next.push_back(next.text); });
  });
  for (const char* const text : {"1", "2"}) remat::warn("once", text);
  remat::warn("another_name", "3");
  remat::allow_warning("once");
  remat::send_warnings_to({});
  CHECK(heard == std::vector<std::string>{"1"});
  CHECK(by_next == std::vector<std::string>{"3"});
}

}  // namespace warning_tests
