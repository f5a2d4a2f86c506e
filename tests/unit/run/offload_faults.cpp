// SPDX-License-Identifier: MIT
// Disks that fail, and processes that are killed: a step that cannot go on changes nothing, and leaves nothing.
#include "io/file_limit.hpp"
#include "offloaded.hpp"
#include "temporary_folder.hpp"

#include <remat/run/unlinked_file.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace offload_faults_tests {

namespace nn = remat::nn;
using namespace offloaded;
using Catch::Contains;
using remat::checkpoint_at;

TEST_CASE("without room on the disk a step is refused by name, and the next one has the bits as if it had not been") {
  const data first(1), second(2);
  model m{{.seed = 2, .checkpoints = everything(), .offload_directory = remat::temporary_directory()}},
      expected{{.seed = 2}};
  remat::sgd optimizer{{.momentum = 0.9f}}, other{{.momentum = 0.9f}};
  const bool fails_at_first = GENERATE(true, false);
  const std::string directory = "'" + remat::temporary_directory() + "'";
  expected.train_step(first.x, first.y, other);
  if (!fails_at_first) m.train_step(first.x, first.y, optimizer);
  const std::vector<std::byte> before = bits_of(m);
  {
    const file_limit limit(20'000);
    // Room was taken before, where this is not the first step; a larger batch needs more.
    if (fails_at_first) {
      CHECK_THROWS_WITH(m.train_step(first.x, first.y, optimizer), Contains(directory) && Contains("File too large"));
      CHECK_THROWS_AS(m.train_step(first.x, first.y), remat::offload_error);
    } else {
      CHECK_THROWS_WITH(m.train_step(second.x, second.y, optimizer),
                        Contains("cannot be written") && Contains(directory) && Contains("File too large"));
    }
  }
  CHECK((bits_of(m) == before));
  CHECK_THROWS_WITH(optimizer.step(m), Contains("the last step was refused"));
  if (fails_at_first) m.train_step(first.x, first.y, optimizer);
  m.train_step(second.x, second.y, optimizer);
  expected.train_step(second.x, second.y, other);
  CHECK((bits_of(m) == bits_of(expected)));
  CHECK(m.steps() == expected.steps());
}

TEST_CASE("a directory that is none is refused by name") {
  const data d;
  model m{{.checkpoints = everything({.path = "/no/such/directory"})}};
  CHECK_THROWS_WITH(m.train_step(d.x, d.y), Contains("/no/such/directory") && Contains(".offload_directory"));
  CHECK_NOTHROW(m.predict(d.x));
}

/// Runs in a process of its own, on one thread; its exit code is what `f` returns.
template <class F>
pid_t start(const F& f) {
  const pid_t child = fork();
  if (child != 0) return child;
  int code = 99;
  try {
    code = f();
  } catch (...) {
  }
  _exit(code);
}

TEST_CASE("a process that is killed in mid-step leaves no file") {
  const temporary_folder folder;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = start([&] {
    model m{{.threads = 1, .checkpoints = everything(), .offload_directory = folder.path().string()}};
    for (const data d;;) {
      m.train_step(d.x, d.y);
      if (write(ends[1], "x", 1) != 1) return 1;
    }
  });
  pollfd waiting{ends[0], POLLIN, 0};
  char byte = 0;
  for (int steps = 0; steps < 3; ++steps) {
    CHECK(poll(&waiting, 1, 60'000) == 1);
    CHECK(read(ends[0], &byte, 1) == 1);
  }
  CHECK(std::filesystem::is_empty(folder.path()));  // it has no name from the beginning
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(std::filesystem::is_empty(folder.path()));
  for (const int end : ends) close(end);
}

TEST_CASE("on a full file system a step is refused, and training goes on when there is room") {
  const temporary_folder folder;
  const pid_t child = start([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", folder.path().string().c_str(), "tmpfs", 0, "size=256k") != 0)
      return 77;
    const data d;
    model m{{.seed = 2, .threads = 1, .checkpoints = everything(), .offload_directory = folder.path().string()}};
    model expected{{.seed = 2, .threads = 1}};
    const std::vector<std::byte> before = bits_of(m);
    remat::sgd optimizer, other;
    try {
      m.train_step(d.x, d.y, optimizer);
      return 1;
    } catch (const remat::offload_error& e) {
      const std::string_view text = e.what();
      if (text.find("No space left on device") == text.npos || text.find(folder.path().string()) == text.npos) return 2;
    }
    if (bits_of(m) != before) return 3;
    if (mount("tmpfs", folder.path().string().c_str(), "tmpfs", MS_REMOUNT, "size=64m") != 0) return 4;
    m.train_step(d.x, d.y, optimizer);
    expected.train_step(d.x, d.y, other);
    return bits_of(m) == bits_of(expected) ? 0 : 5;
  });
  int status = 0;
  waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77)
    WARN("skipped: only root mounts a file system to fill");
  else
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("in a child of fork a model that offloads says that it cannot go on, and goes; the parent goes on") {
  const data d;
  remat::sgd optimizer, other;
  model m{{.seed = 2, .threads = 1, .checkpoints = everything(), .offload_directory = remat::temporary_directory()}};
  model expected{{.seed = 2, .threads = 1}};
  m.train_step(d.x, d.y, optimizer);
  expected.train_step(d.x, d.y, other);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(20);
    int code = 1;
    try {
      model mine(std::move(m));
      mine.train_step(d.x, d.y);
    } catch (const remat::offload_error& e) {
      code = std::string(e.what()).find("child of fork") != std::string::npos ? 0 : 2;
    }
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  m.train_step(d.x, d.y, optimizer);
  expected.train_step(d.x, d.y, other);
  CHECK((bits_of(m) == bits_of(expected)));
}

/// Cuts the files of this process short that have no name any more.
void cut_unlinked_files(off_t bytes) {
  const std::string folder = std::filesystem::canonical(remat::temporary_directory()).string() + "/";
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code none;
    const std::string target = std::filesystem::read_symlink(each, none).string();
    if (target.starts_with(folder) && target.ends_with("(deleted)")) CHECK(truncate(each.path().c_str(), bytes) == 0);
  }
}

TEST_CASE("a file that ends before what was written to it is an error of reading, by name") {
  const std::vector<std::byte> written(20'000, std::byte{7});
  remat::unlinked_file file(remat::temporary_directory());
  file.write(0, written);
  std::vector<std::byte> found(written.size());
  file.read(0, found);
  CHECK((found == written));
  for (const off_t left : {8192, 5000, 0}) {
    cut_unlinked_files(left);
    CHECK_THROWS_WITH(file.read(0, found),
                      Contains("'/tmp'") && (Contains("a read found less") || Contains("a read was cut short")));
    file.write(0, written);
    CHECK_NOTHROW(file.read(0, found));
  }
}

/// A storage of a user's own, out of the arena: in a block of memory, in which a bit may be turned, or a read fail.
struct elsewhere {
  static constexpr std::string_view storage_name = "elsewhere";
  static constexpr bool is_lossless = true;
  enum class fault { none, read_fails, bit_turns };
  static inline fault next = fault::none;

  remat::transfer_window window = {.least_bytes = 1};

  struct space : remat::storage_space {
    void reserve(std::size_t bytes, std::size_t) override {
      if (block.size() < bytes) block.resize(bytes);
    }
    std::uint64_t begin_write(std::size_t at, std::span<const std::byte> from) override {
      std::ranges::copy(from, block.begin() + static_cast<std::ptrdiff_t>(at));
      return ++number;
    }
    std::uint64_t begin_read(std::size_t at, std::span<std::byte> to) override {
      std::memcpy(to.data(), block.data() + at, to.size());
      if (next == fault::bit_turns) to[to.size() / 2] ^= std::byte{1};
      if (next == fault::read_fails && ++reads == 4) failing = number + 1;
      return ++number;
    }
    void finish(std::uint64_t request) override {
      if (request == failing) throw remat::offload_error("elsewhere is away");
    }
    void cancel() noexcept override {
      failing = 0;
      reads = 0;
    }

    std::vector<std::byte> block;
    std::uint64_t number = 0, failing = 0;
    int reads = 0;
  };
  std::unique_ptr<remat::storage_space> open(std::string_view) const { return std::make_unique<space>(); }
};
static_assert(remat::OutsideStorage<elsewhere>);

TEST_CASE("a storage of a user's own may take tensors out of the arena, and may fail while it reads") {
  const data d;
  model m{{.seed = 2, .checkpoints = {checkpoint_at("", remat::save_all{}, elsewhere{})}}}, kept{{.seed = 2}};
  remat::sgd optimizer, other;
  const std::vector<std::byte> before = bits_of(m);
  elsewhere::next = elsewhere::fault::read_fails;
  CHECK_THROWS_WITH(m.train_step(d.x, d.y, optimizer), Contains("cannot be read back: elsewhere is away"));
  CHECK((bits_of(m) == before));
  elsewhere::next = elsewhere::fault::none;
  for (int i = 0; i < 2; ++i) m.train_step(d.x, d.y, optimizer), kept.train_step(d.x, d.y, other);
  CHECK((bits_of(m) == bits_of(kept)));

  elsewhere::next = elsewhere::fault::bit_turns;
  m.train_step(d.x, d.y);  // nobody looks
  model looked_after{{.checkpoints = {checkpoint_at("", remat::verified{remat::save_all{}}, elsewhere{})}}};
  CHECK_THROWS_WITH(looked_after.train_step(d.x, d.y), Contains("gives back") && Contains("'h.7"));
  elsewhere::next = elsewhere::fault::none;
  CHECK_NOTHROW(looked_after.train_step(d.x, d.y));
}

TEST_CASE("where forward and backward are two calls, a read that fails gives states back") {
  using part = remat::sequential<block, block, block, block>;
  const data d;
  remat::model<part, input> m{{.checkpoints = {checkpoint_at("", remat::save_all{}, elsewhere{})}}};
  const std::vector<float> gradient(batch * 4 * 16 * 16, 1);
  const std::vector<std::byte> before = bits_of(m);
  m.forward(d.x);
  CHECK((bits_of(m) != before));
  elsewhere::next = elsewhere::fault::read_fails;
  CHECK_THROWS_AS(m.backward(gradient), remat::offload_error);
  elsewhere::next = elsewhere::fault::none;
  CHECK((bits_of(m) == before));
}

}  // namespace offload_faults_tests
