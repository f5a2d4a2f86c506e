// SPDX-License-Identifier: MIT
// The fuzzer finds what it is for: layers that read or write next to their memory, leave out an element, or compute
// something else. Every case of each must fail, and none of a layer that is right.
#include <cmath>
#include <cstddef>
#include <cstdio>

#include "search.hpp"

namespace {

/// y = x, but for what Fault does.
template <void (*Fault)(const remat::forward_pass&)>
struct copy {
  static void forward(const remat::forward_pass& pass) {
    for (std::size_t i = 0; i < pass.output().size(); ++i) pass.output()[i] = pass.input()[i];
    Fault(pass);
  }
};
template <void (*Fault)(const remat::forward_pass&)>
fuzz::layer_case copying(fuzz::random_source& random) {
  fuzz::layer_case made;
  made.layer = "copy";
  made.inputs = {fuzz::floats(random.between(1, 100))};
  made.output = made.inputs[0];
  made.kernels = &remat::kernel_table_of<copy<Fault>>;
  made.forward = [](const fuzz::values& v) {
    fuzz::expectation y(v.inputs[0].size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i].value = static_cast<double>(v.inputs[0][i]);
    return y;
  };
  return made;
}

float read(const float* from) { return *static_cast<const volatile float*>(from); }

void nothing(const remat::forward_pass&) {}
void reads_after_its_input(const remat::forward_pass& pass) { read(pass.input().data() + pass.input().size()); }
void reads_before_its_input(const remat::forward_pass& pass) { read(pass.input().data() - 1); }
void writes_after_its_output(const remat::forward_pass& pass) { pass.output().data()[pass.output().size()] = 0; }
void writes_before_its_output(const remat::forward_pass& pass) { pass.output().data()[-1] = 0; }
void writes_its_input(const remat::forward_pass& pass) { const_cast<float&>(pass.input()[0]) = 7; }
void leaves_out_an_element(const remat::forward_pass& pass) { pass.output()[0] = NAN; }
void is_wrong_by_a_bit(const remat::forward_pass& pass) { pass.output()[0] = std::nextafter(pass.output()[0], 2.0f); }

constexpr fuzz::layer_kind right{"right", 1, &copying<&nothing>};
constexpr fuzz::layer_kind wrong[] = {
    {"reads after its input", 1, &copying<&reads_after_its_input>},
    {"reads before its input", 1, &copying<&reads_before_its_input>},
    {"writes after its output", 1, &copying<&writes_after_its_output>},
    {"writes before its output", 1, &copying<&writes_before_its_output>},
    {"writes its input", 1, &copying<&writes_its_input>},
    {"leaves out an element", 1, &copying<&leaves_out_an_element>},
    {"is wrong by a bit", 1, &copying<&is_wrong_by_a_bit>},
};

std::size_t failures_of(const fuzz::layer_kind& kind, std::size_t cases) {
  return fuzz::search({&kind, 1}, 1, "").run(0, cases);
}

}  // namespace

int main() {
  constexpr std::size_t cases = 5;
  int missed = failures_of(right, cases) == 0 ? 0 : 1;
  for (const fuzz::layer_kind& kind : wrong)
    if (failures_of(kind, cases) != cases) {
      std::printf("MISSED: a layer that %s\n", kind.name);
      ++missed;
    }
  return missed;
}
