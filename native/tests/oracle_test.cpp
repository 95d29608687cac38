// The row kernels against a scalar oracle in long double: no Python, so that it can be cross-compiled and emulated.
//
// For every instruction set that this processor runs: loss and gradient of class indices and soft targets, smoothing,
// weights, temperature, softcap and z-loss, in the four storage types, for tiny, middling and long rows.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "dispatch.h"

using namespace softxent;
using Real = long double;

// ---- the oracle: the equations, read off the contract --------------------------------------------------------------------

struct RowResult {
  Real loss = 0;
  std::vector<Real> gradient, scale;  // scale: the largest term of each entry
};

RowResult oracle_row(const Problem& p, const std::vector<Real>& z, const std::vector<Real>& target) {
  const size_t V = z.size();
  std::vector<Real> a(V), y(V), w(V);
  size_t top = 0;
  for (size_t k = 0; k < V; ++k) {
    a[k] = (p.softcap != 0 ? p.softcap * std::tanh(z[k] / p.softcap) : z[k]) / p.temperature;
    if (z[k] > z[top]) top = k;
  }
  Real s = 0, sum_w = 0;
  for (size_t k = 0; k < V; ++k)
    if (k != top) s += std::exp(a[k] - a[top]);
  const Real log_s = std::log1p(s), lse = a[top] + log_s;
  RowResult result;
  for (size_t k = 0; k < V; ++k) {
    y[k] = std::exp(a[k] - a[top]) / (1 + s);
    w[k] = ((1 - (Real)p.smoothing) * target[k] + (Real)p.smoothing / V) * (p.weight ? p.weight[k] : 1.0);
    sum_w += w[k];
    if (w[k] != 0) result.loss += w[k] * (a[top] - a[k] + log_s);
  }
  result.loss += p.z_loss * lse * lse;
  for (size_t k = 0; k < V; ++k) {
    const Real others_y = k == top ? s / (1 + s) : 1 - y[k];
    Real others_w = 0;
    if (w[k] == sum_w) others_w = 0; else others_w = sum_w - w[k];
    const Real plus = y[k] * others_w, minus = w[k] * others_y, z_part = 2 * p.z_loss * lse * y[k];
    const Real t = std::tanh(z[k] / (p.softcap != 0 ? p.softcap : 1)), jac = (p.softcap != 0 ? 1 - t * t : 1) / p.temperature;
    result.gradient.push_back((plus - minus + z_part) * jac);
    result.scale.push_back(std::fmax(std::fmax(std::fabs(plus), std::fabs(minus)), std::fabs(z_part)) * jac);
  }
  return result;
}

// ---- the storage types ---------------------------------------------------------------------------------------------------

#if defined(__aarch64__)
using Float16 = __fp16;  // GCC 12 has no _Float16 in C++ here
#else
using Float16 = _Float16;
#endif

struct Bfloat16 {  // the upper half of a float; inputs need no rounding
  uint16_t bits = 0;
  Bfloat16() = default;
  explicit Bfloat16(double x) {
    const float f = (float)x;
    std::memcpy(&bits, (const char*)&f + 2, 2);
  }
  operator Real() const {
    float f = 0;
    std::memcpy((char*)&f + 2, &bits, 2);
    return f;
  }
};

// Losses come in float32 but for float64 logits. Bars: contract section 3, in ULP of the type.
template <class T> struct Type {};
template <> struct Type<float> {
  using Loss = float;
  static constexpr Dtype dtype = Dtype::f32;
  static constexpr const char* name = "float32";
  static constexpr int digits = 24, lowest = -126;  // 2^lowest: the smallest normal
  static constexpr Real bar = 6;
};
template <> struct Type<double> {
  using Loss = double;
  static constexpr Dtype dtype = Dtype::f64;
  static constexpr const char* name = "float64";
  static constexpr int digits = 53, lowest = -1022;
  static constexpr Real bar = 6;
};
template <> struct Type<Bfloat16> {
  using Loss = float;
  static constexpr Dtype dtype = Dtype::bf16;
  static constexpr const char* name = "bfloat16";
  static constexpr int digits = 8, lowest = -126;
  static constexpr Real bar = 0.51L;
};
template <> struct Type<Float16> {
  using Loss = float;
  static constexpr Dtype dtype = Dtype::f16;
  static constexpr const char* name = "float16";
  static constexpr int digits = 11, lowest = -14;
  static constexpr Real bar = 0.51L;
};

// ---- the comparison ------------------------------------------------------------------------------------------------------

template <class T> Real ulps(Real got, Real exact, Real scale) {
  const Real smallest = std::ldexp((Real)1, Type<T>::lowest), error = std::fabs(got - exact);
  if (Type<T>::lowest < -14 && error <= smallest) return 0;  // float16 owes its subnormals too
  return error / std::ldexp((Real)1, std::ilogb(std::fmax(std::fabs(scale), smallest)) - Type<T>::digits + 1);
}

struct Case {
  const char* name;
  bool soft;
  double smoothing, temperature, softcap, z_loss;
  bool weights;
};

template <class T> Matrix matrix(std::vector<T>& a, int64_t rows, int64_t classes) {
  Matrix m;
  m.data = reinterpret_cast<char*>(a.data());
  m.dtype = Type<T>::dtype;
  m.axes = 1;
  m.shape[0] = rows;
  m.stride[0] = classes * (int64_t)sizeof(T);
  m.class_stride = sizeof(T);
  return m;
}

template <class T> bool check(const Kernels& kernels, const Case& c, int64_t rows, int64_t classes) {
  using Loss = typename Type<T>::Loss;
  std::mt19937_64 random(classes * 7 + rows);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  std::vector<T> logits(rows * classes), gradient(rows * classes), soft(rows * classes);
  std::vector<Loss> losses(rows);
  std::vector<int64_t> target(rows);
  std::vector<double> weight(classes);
  for (auto& x : logits) x = (T)(5 * normal(random));
  for (auto& x : soft) x = (T)uniform(random);
  for (auto& x : weight) x = uniform(random) + 0.5;
  for (int64_t n = 0; n < rows; ++n) {
    target[n] = (int64_t)(random() % (uint64_t)classes);
    if (n % 3 == 1) logits[n * classes + target[n]] = (T)40;  // a confident row
  }
  Problem p;
  p.op = Op::loss;
  p.rows = rows;
  p.classes = classes;
  p.logits = matrix(logits, rows, classes);
  p.out = matrix(gradient, rows, classes);
  if (c.soft) p.soft = matrix(soft, rows, classes); else p.target = target.data();
  if (c.weights) p.weight = weight.data();
  p.per_row = losses.data();
  p.smoothing = c.smoothing;
  p.temperature = c.temperature;
  p.softcap = c.softcap;
  p.z_loss = c.z_loss;
  Sums sums;
  if (run_problem(p, &kernels, nullptr, &sums) != Outcome::done) return false;

  Real worst_loss = 0, worst_gradient = 0;
  for (int64_t n = 0; n < rows; ++n) {
    std::vector<Real> z(logits.begin() + n * classes, logits.begin() + (n + 1) * classes), t(classes);
    for (int64_t k = 0; k < classes; ++k) t[k] = c.soft ? (Real)soft[n * classes + k] : (Real)(k == target[n]);
    const RowResult exact = oracle_row(p, z, t);
    worst_loss = std::fmax(worst_loss, ulps<Loss>(losses[n], exact.loss, exact.loss));
    for (int64_t k = 0; k < classes; ++k) {
      // two terms of one sign may add up past the larger one's binade: there a rounding is 0.5 ULP of the sum
      const Real g = exact.gradient[k], scale = sizeof(T) == 2 ? std::fmax(exact.scale[k], std::fabs(g)) : exact.scale[k];
      worst_gradient = std::fmax(worst_gradient, ulps<T>(gradient[n * classes + k], g, scale));
    }
  }
  const bool fine = worst_loss <= 4 && worst_gradient <= Type<T>::bar;  // NaN fails
  std::printf("%-9s %-8s V=%-6ld %-9s loss %.2f ULP, gradient %.2f ULP%s\n", kernels.name, Type<T>::name,
              (long)classes, c.name, (double)worst_loss, (double)worst_gradient, fine ? "" : "   FAILED");
  return fine;
}

int main() {
  const Case cases[] = {{"plain", false, 0, 1, 0, 0, false},      {"tempered", false, 0, 0.7, 0, 0, true},
                        {"z-loss", false, 0, 1, 0, 1e-2, false},  {"smoothed", false, 0.1, 1, 0, 0, true},
                        {"soft", true, 0, 1, 0, 0, false},        {"softcap", false, 0.1, 1.3, 30, 1e-3, true}};
  int failures = 0, count = 0, checks = 0;
  const Choice* all = choices(&count);
  for (int i = 0; i < count; ++i) {
    if (!all[i].supported) continue;
    for (const Case& c : cases)
      for (int64_t classes : {2, 10, 24, 25, 257, 1000, 40009}) {
        const int64_t rows = classes > 1000 ? 2 : 37;
        failures += !check<float>(*all[i].kernels, c, rows, classes);
        failures += !check<double>(*all[i].kernels, c, rows, classes);
        failures += !check<Bfloat16>(*all[i].kernels, c, rows, classes);
        failures += !check<Float16>(*all[i].kernels, c, rows, classes);
        checks += 4;
      }
  }
  std::printf("%d passed, %d failed\n", checks - failures, failures);
  return failures != 0;
}
