// SPDX-License-Identifier: MIT
// How ranks wait: what options and the environment ask for, what a host's ranks make of it, and the cores that they
// have.
#include <remat/distributed/cpu_quota.hpp>
#include <remat/distributed/message_wait.hpp>
#include <remat/distributed/session_options.hpp>

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace message_wait_tests {

using remat::mpi::wait_mode;

/// A tree of control groups, as the system shows it.
class control_groups {
 public:
  control_groups()
      : root_(std::filesystem::temp_directory_path() / ("remat_control_groups." + std::to_string(getpid()))) {}
  ~control_groups() { std::filesystem::remove_all(root_); }
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text << "\n";
  }
  double quota(const std::string& list) const {
    write("list", list);
    return remat::mpi::cpu_quota(root_ / "list", root_);
  }

 private:
  std::filesystem::path root_;
};

TEST_CASE("REMAT_WAITING replaces the option, and says what it takes") {
  const auto found = [](const char* text, wait_mode option) {
    setenv("REMAT_WAITING", text, 1);
    return remat::mpi::with_environment({.waiting = option}).waiting;
  };
  CHECK(found("spin", wait_mode::sleeping) == wait_mode::spinning);
  CHECK(found("sleep", wait_mode::automatic) == wait_mode::sleeping);
  CHECK(found("automatic", wait_mode::spinning) == wait_mode::automatic);
  CHECK(found("", wait_mode::spinning) == wait_mode::spinning);
  CHECK_THROWS_WITH(found("spinning", wait_mode::automatic),
                    "REMAT_WAITING is automatic, spin or sleep, and not 'spinning'");
  unsetenv("REMAT_WAITING");
  CHECK(remat::mpi::with_environment({.waiting = wait_mode::sleeping}).waiting == wait_mode::sleeping);
}

TEST_CASE("ranks of a host sleep where they have more threads than cores, unless one asks for another way") {
  using remat::mpi::wait_mode_of_host;
  CHECK(wait_mode_of_host(wait_mode::automatic, 2, 2) == wait_mode::automatic);
  CHECK(wait_mode_of_host(wait_mode::automatic, 3, 2) == wait_mode::sleeping);
  CHECK(wait_mode_of_host(wait_mode::automatic, 4, 2) == wait_mode::sleeping);
  CHECK(wait_mode_of_host(wait_mode::spinning, 4, 2) == wait_mode::spinning);
  CHECK(wait_mode_of_host(wait_mode::sleeping, 1, 2) == wait_mode::sleeping);
}

TEST_CASE("a rank that sleeps looks the more seldom the longer it waits") {
  using clock = std::chrono::steady_clock;
  remat::mpi::detail::wait_pace pace(wait_mode::sleeping);
  int looks = 0;
  for (const clock::time_point end = clock::now() + std::chrono::milliseconds(300); clock::now() < end; ++looks)
    pace.pause();
  CHECK(looks < 1500);  // 5,000 and more of equal length; fewer where the system is busy
}

TEST_CASE("the quota of cores is the least from the process's group up to the root") {
  const control_groups made;
  CHECK(made.quota("0::/a/b") == 0);
  made.write("a/b/cpu.max", "max 100000");
  CHECK(made.quota("0::/a/b") == 0);
  made.write("a/cpu.max", "150000 100000");
  CHECK(made.quota("0::/a/b") == 1.5);
  made.write("cpu.max", "50000 100000");
  CHECK(made.quota("0::/a/b") == 0.5);
  CHECK(made.quota("0::/") == 0.5);
  CHECK(made.quota("3:memory:/a") == 0);
}

TEST_CASE("the quota of cores of older control groups is found, and -1 is none") {
  const control_groups made;
  made.write("cpu/job/cpu.cfs_period_us", "100000");
  made.write("cpu/job/cpu.cfs_quota_us", "-1");
  CHECK(made.quota("4:cpu,cpuacct:/job") == 0);
  made.write("cpu/job/cpu.cfs_quota_us", "300000");
  CHECK(made.quota("5:memory:/job\n4:cpu,cpuacct:/job") == 3);
}

}  // namespace message_wait_tests
