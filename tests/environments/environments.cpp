// SPDX-License-Identifier: MIT
// environments PROGRAM COUNT: starts a program in the environments that batch systems, containers and users make, those
// of a list and then COUNT drawn ones. It must end in time and find every number right.
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace {

/// Variables, each as name=value; `one core` is no variable.
using environment = std::vector<std::string>;
const std::string one_core = "one core";

const std::vector<environment> listed = {
    {},
    {"OMP_THREAD_LIMIT=1"},
    {"OMP_THREAD_LIMIT=2"},
    {"OMP_THREAD_LIMIT=1", "OMP_NUM_THREADS=4"},
    {"OMP_DYNAMIC=true"},
    {"OMP_DYNAMIC=true", "OMP_NUM_THREADS=5"},
    {"OMP_NUM_THREADS=1"},
    {"OMP_NUM_THREADS=2,1"},
    {"OMP_NUM_THREADS=1,2"},
    {"OMP_NUM_THREADS=3", "OMP_THREAD_LIMIT=2", "OMP_DYNAMIC=true"},
    {"OMP_MAX_ACTIVE_LEVELS=0"},
    {"OMP_MAX_ACTIVE_LEVELS=2", "OMP_NUM_THREADS=2,2"},
    {"OMP_NESTED=true", "OMP_THREAD_LIMIT=3"},
    {"OMP_NESTED=false"},
    {"OMP_PROC_BIND=true"},
    {"OMP_PROC_BIND=spread", "OMP_PLACES=cores", "OMP_WAIT_POLICY=passive"},
    {"OMP_PROC_BIND=close", "OMP_PLACES={0}", "OMP_NUM_THREADS=2"},
    {"OMP_WAIT_POLICY=active"},
    {one_core},
    {one_core, "OMP_NUM_THREADS=2"},
    {one_core, "OMP_DYNAMIC=true", "OMP_NUM_THREADS=2"},
};

/// At most one of each row.
const std::vector<environment> choices = {
    {"OMP_THREAD_LIMIT=1", "OMP_THREAD_LIMIT=2", "OMP_THREAD_LIMIT=3", "OMP_THREAD_LIMIT=64"},
    {"OMP_DYNAMIC=true", "OMP_DYNAMIC=false"},
    {"OMP_NUM_THREADS=1", "OMP_NUM_THREADS=2", "OMP_NUM_THREADS=3", "OMP_NUM_THREADS=5", "OMP_NUM_THREADS=2,1",
     "OMP_NUM_THREADS=1,2", "OMP_NUM_THREADS=2,3,4"},
    {"OMP_MAX_ACTIVE_LEVELS=0", "OMP_MAX_ACTIVE_LEVELS=1", "OMP_MAX_ACTIVE_LEVELS=2", "OMP_MAX_ACTIVE_LEVELS=5"},
    {"OMP_NESTED=true", "OMP_NESTED=false"},
    {"OMP_PROC_BIND=true", "OMP_PROC_BIND=false", "OMP_PROC_BIND=close", "OMP_PROC_BIND=spread",
     "OMP_PROC_BIND=spread,close"},
    {"OMP_PLACES=threads", "OMP_PLACES=cores", "OMP_PLACES=sockets", "OMP_PLACES={0}"},
    {"OMP_WAIT_POLICY=active", "OMP_WAIT_POLICY=passive"},
    {"OMP_SCHEDULE=dynamic,1", "OMP_CANCELLATION=true", "OMP_STACKSIZE=1M"},
    {one_core},
};

std::vector<environment> with_drawn(std::size_t count) {
  std::vector<environment> all = listed;
  std::minstd_rand random(2718);
  while (all.size() < listed.size() + count) {
    environment& e = all.emplace_back();
    for (const environment& row : choices)
      if (random() % 2 == 0) e.push_back(row[random() % row.size()]);
  }
  return all;
}

std::string text_of(const environment& e) {
  std::string text;
  for (const std::string& each : e) text += (text.empty() ? "" : " ") + each;
  return text.empty() ? "nothing set" : text;
}

/// Starts the program; returns its exit status, or -1 where it had to be ended.
int run(char* program, const environment& e) {
  std::vector<std::string> variables;
  for (char** each = environ; *each != nullptr; ++each)
    if (const std::string name = *each; !name.starts_with("OMP_") && !name.starts_with("GOMP_"))
      variables.push_back(name);
  cpu_set_t all, first;
  sched_getaffinity(0, sizeof(all), &all);
  for (const std::string& each : e) {
    if (each != one_core) {
      variables.push_back(each);
      continue;
    }
    int core = 0;
    while (!CPU_ISSET(core, &all)) ++core;
    CPU_ZERO(&first);
    CPU_SET(core, &first);
    sched_setaffinity(0, sizeof(first), &first);
  }
  std::vector<char*> pointers;
  for (std::string& each : variables) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  char* arguments[] = {program, nullptr};
  std::fflush(stdout);
  pid_t child = 0;
  const int refused = posix_spawn(&child, program, nullptr, nullptr, arguments, pointers.data());
  sched_setaffinity(0, sizeof(all), &all);
  if (refused != 0) return refused;
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: environments PROGRAM COUNT\n"), 2;
  const std::vector<environment> all = with_drawn(std::strtoul(argv[2], nullptr, 10));
  std::size_t wrong = 0;
  for (const environment& e : all) {
    std::printf("%s:", text_of(e).c_str());
    const int status = run(argv[1], e);
    if (status == 0) continue;
    ++wrong;
    std::printf("%s: %s\n", text_of(e).c_str(),
                status == -1 ? "DOES NOT END" : ("FAILS, status " + std::to_string(status)).c_str());
  }
  std::printf("%zu environments, %zu of them wrong\n", all.size(), wrong);
  return wrong == 0 ? 0 : 1;
}
