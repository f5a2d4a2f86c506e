// SPDX-License-Identifier: MIT
// Trains and predicts in the environment that it is started in: alone, in threads of the system's, and within a
// parallel region, a single and a task of OpenMP's. Every number is compared with sums in double and with the bits of a
// model that was told the number of threads that there are. A model that is told to have 2 or 3 threads may refuse.
// Says what it found in one line, and returns 1 where a number was wrong.
#include "tests/environments/checked_models.hpp"

#include <cstdio>
#include <string>
#include <thread>

namespace {

struct findings {
  std::string text;
  bool is_right = true;

  void add(const std::string& use, const std::string& what, bool right = true) {
    text += " " + use + ": " + what + (right ? ";" : " WRONG;");
    is_right = is_right && right;
  }
};

/// A prediction and a step on models of `threads` threads, twice, since the first one makes the primitives.
void compute(findings& found, const std::string& use, int threads) {
  try {
    checked::wide w{{.seed = 1, .threads = threads}};
    checked::small s{{.seed = 1, .threads = threads}};
    for (int i = 0; i < 2; ++i) {
      const std::vector<float> y = checked::predict(w), gradients = checked::train(s);
      const int there = remat::thread_scope(w.threads()).threads();
      const std::size_t wrong = checked::wrong_outputs(w, y) + checked::wrong_gradients(s);
      checked::wide same_w{{.seed = 1, .threads = there}};
      checked::small same_s{{.seed = 1, .threads = there}};
      const bool same = same_bits(checked::predict(same_w), y) && same_bits(checked::train(same_s), gradients);
      if (i > 0 || wrong > 0 || !same)
        found.add(use,
                  std::to_string(there) + " threads, " + std::to_string(wrong) + " wrong" +
                      (same ? "" : ", other bits than on as many threads"),
                  wrong == 0 && same);
    }
    static const std::vector<float> of_one_thread = checked::attend(1);
    if (!same_bits(checked::attend(threads), of_one_thread))
      found.add(use, "attention has other bits than on one thread", false);
  } catch (const remat::error& e) {
    found.add(use, std::string("refused (") + e.what() + ")", threads > 0);
  }
}

}  // namespace

int main() {
  findings found;
  compute(found, "alone", 0);
  compute(found, "of 2", 2);
  compute(found, "of 3", 3);
  findings each[2];
  std::thread first([&] { compute(each[0], "thread", 0); }), second([&] { compute(each[1], "thread", 2); });
  first.join();
  second.join();
  for (const findings& f : each) {
    found.text += f.text;
    found.is_right = found.is_right && f.is_right;
  }
#ifdef _OPENMP
  findings parallel[2];
#pragma omp parallel for num_threads(2) schedule(static, 1)
  for (int i = 0; i < 2; ++i) compute(parallel[i], "parallel", 0);
  for (const findings& f : parallel) {
    found.text += f.text;
    found.is_right = found.is_right && f.is_right;
  }
#pragma omp parallel num_threads(2)
#pragma omp single
  {
    compute(found, "single", 0);
    compute(found, "single of 2", 2);
  }
#pragma omp parallel
#pragma omp single
#pragma omp task shared(found)
  compute(found, "task", 0);
#pragma omp parallel num_threads(1)
  compute(found, "serial region", 0);
#endif
  compute(found, "alone again", 0);
  std::printf("%s\n", found.text.c_str());
  return found.is_right ? 0 : 1;
}
