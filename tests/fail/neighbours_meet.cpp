// error: remat: a module must accept what the module before it gives
#include <remat/remat.hpp>

#ifdef REMAT_FIXED
constexpr std::size_t hidden = 128;
#else
constexpr std::size_t hidden = 100;
#endif
using net = remat::sequential<remat::nn::linear<784, 128>, remat::nn::relu, remat::nn::linear<hidden, 10>,
                              remat::nn::log_softmax>;

int main() { return remat::model<net, remat::tensor<float, 784>, remat::nn::nll_loss>().threads() > 0 ? 0 : 1; }
