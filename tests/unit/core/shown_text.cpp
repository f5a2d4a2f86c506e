// SPDX-License-Identifier: MIT
#include <remat/core/shown_text.hpp>

#include <catch2/catch.hpp>

#include <string>

namespace shown_text_tests {

using remat::detail::shown_text;

TEST_CASE("what a message shows of a file's bytes is text", "[core]") {
  CHECK(shown_text("a\x1b[2Jb\x7f\n") == R"(a\x1b[2Jb\x7f\x0a)");
  for (const char* const text : {"\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x98\x80"})
    CHECK(shown_text(text) == text);
  CHECK(shown_text("\xc2\x9b[") == R"(\xc2\x9b[)");  // a control in two bytes
  CHECK(shown_text("\xc0\xaf") == R"(\xc0\xaf)");
  CHECK(shown_text("\xe0\x80\xaf") == R"(\xe0\x80\xaf)");
  CHECK(shown_text("\xed\xa0\x80") == R"(\xed\xa0\x80)");
  CHECK(shown_text("\xf0\x80\x80\xaf") == R"(\xf0\x80\x80\xaf)");
  CHECK(shown_text("\xf4\x90\x80\x80\xff") == R"(\xf4\x90\x80\x80\xff)");
  CHECK(shown_text("\x80\xe2\x82") == R"(\x80\xe2\x82)");
  const std::string before(79, 'a');
  CHECK(shown_text(before + "\xc3\xa9z") == before + "\xc3\xa9");  // whole characters
}

}  // namespace shown_text_tests
