// The ladder: loss and gradient of float32 logits and class indices, from three plain loops to the shipped kernel.
//
//     ladder [--rounds R] [--shape N V]...    milliseconds of every rung and floor, and its worst error, as JSON
//     ladder --functions                      the worst errors of exp and log1p, as JSON
//
// A rung is a function of one row. Each keeps what the one before it earned, unless its comment says otherwise; they are
// in teaching order, and what they earn is printed, not claimed. bench/ladder.py builds and runs this. No options, no
// NaN, no −∞ here: the kernels in native/ have those, and cost no more.
#define SOFTXENT_NAMESPACE ladder
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dispatch.h"
#include "memory.h"
#include "row.h"

using namespace softxent;
using namespace softxent::ladder;

// One row: the loss is returned, the gradient (y − t)/N goes to `out`. The next row lies behind z.
struct RowOf {
  const float* z;
  int64_t V, t;
  float* out;
  double scale;  // 1/N
  float* kept;   // scratch, V floats
};

// ---- 1. three loops, libm ------------------------------------------------------------------------------------------------

static double three_loops(const RowOf& r) {
  float m = r.z[0], s = 0;
  for (int64_t k = 1; k < r.V; ++k) m = r.z[k] > m ? r.z[k] : m;
  for (int64_t k = 0; k < r.V; ++k) s += r.out[k] = std::exp(r.z[k] - m);
  for (int64_t k = 0; k < r.V; ++k) r.out[k] *= (float)r.scale / s;
  r.out[r.t] -= (float)r.scale;
  return m + std::log(s) - r.z[r.t];
}

// ---- 2. the online maximum: one loop to (m, s), and for the gradient every exponential a second time ----------------------

static double online(const RowOf& r) {
  float m = -__builtin_inff(), s = 0;
  for (int64_t k = 0; k < r.V; ++k) {
    const float x = r.z[k];
    if (x > m) {
      s = s * std::exp(m - x) + 1;
      m = x;
    } else {
      s += std::exp(x - m);
    }
  }
  for (int64_t k = 0; k < r.V; ++k) r.out[k] = std::exp(r.z[k] - m) * ((float)r.scale / s);
  r.out[r.t] -= (float)r.scale;
  return m + std::log(s) - r.z[r.t];
}

// ---- 3, 4. exponentials in 2W float32 lanes --------------------------------------------------------------------------------

typedef int vwi __attribute__((vector_size(W * 8)));

SX_INLINE vw floats(float x) { return x - vw{}; }

// e^(x + y), x ≤ 0: the Taylor polynomial of degree 6 on |r| ≤ ln2/2, 2^n in two factors.
SX_INLINE vw exp_float(vw x, vw y) {
  x = x > floats(-104) ? x : floats(-104);
  const vw shift = floats(0x1.8p23f), t = fma(x, floats(0x1.715476p+0f), shift), n = t - shift;
  const vw r = fma(n, floats(-0x1.7f7d1cp-20f), fma(n, floats(-0x1.62e4p-1f), x)) + y;
  vw p = floats(1.0f / 720);
  p = fma(p, r, floats(1.0f / 120));
  p = fma(p, r, floats(1.0f / 24));
  p = fma(p, r, floats(1.0f / 6));
  p = fma(p, r, floats(0.5f));
  p = fma(p, r * r, r + 1.0f);
  const vwi i = (vwi)t - (int)0x4b400000, half = i >> 1;
  return p * (vw)((half + 127) << 23) * (vw)((i - half + 127) << 23);
}

template <bool Compensated> SX_INLINE vw exp_of_gap(vw z, float m) {
  const vw d = z - m;
  if constexpr (!Compensated) return exp_float(d, vw{});
  const vw b = d - z;
  return exp_float(d, (z - (d - b)) + (-m - b));  // TwoSum: what rounding took from z − m
}

SX_INLINE void scale_out(const RowOf& r, double factor) {
  for (int64_t k = 0; k < r.V; ++k) r.out[k] *= (float)factor;
}

SX_INLINE vw load_floats_up_to(const float* p, int64_t n) {
  float some[2 * W];
  std::fill(some, some + 2 * W, -1000.0f);
  memcpy(some, p, n * sizeof(float));
  return load_wide(some);
}

template <bool Compensated> static double float_lanes(const RowOf& r) {
  const float m = (float)max_span(r.z, 0, r.V);
  vw sums{};
  int64_t k = 0;
  for (; k + 2 * W <= r.V; k += 2 * W) {
    const vw e = exp_of_gap<Compensated>(load_wide(r.z + k), m);
    store_wide(r.out + k, e);
    sums += e;
  }
  if (k < r.V) {
    const vw e = exp_of_gap<Compensated>(load_floats_up_to(r.z + k, r.V - k), m);
    memcpy(r.out + k, &e, (r.V - k) * sizeof(float));
    sums += e;
  }
  const float s = (float)sum_lanes(widen(low_half(sums)) + widen(high_half(sums)));
  scale_out(r, r.scale / s);
  r.out[r.t] -= (float)r.scale;
  return m + std::log(s) - r.z[r.t];
}

// ---- 5. W float64 lanes: z − m is exact but for 2^−53, and nothing has to be carried ----------------------------------------

static double double_lanes(const RowOf& r) {
  const double m = max_span(r.z, 0, r.V);
  vd a{}, b{};
  int64_t k = 0;
  for (; k + 2 * W <= r.V; k += 2 * W) {
    const vd x = exp_short(load(r.z + k) - m), y = exp_short(load(r.z + k + W) - m);
    store(r.out + k, x);
    store(r.out + k + W, y);
    a += x;
    b += y;
  }
  for (; k < r.V; k += W) {
    const vd x = exp_short(load_up_to(r.z + k, r.V - k) - m);
    store_up_to(r.out + k, x, r.V - k);
    a += x;
  }
  const double s = sum_lanes(a + b);
  scale_out(r, r.scale / s);
  r.out[r.t] -= (float)r.scale;
  return m + std::log(s) - r.z[r.t];
}

// ---- 6. the sum without the maximum's own 1, log1p, and the target's entry from the others -----------------------------------

// The end of a row: s is the others' sum.
SX_INLINE double target_entry(const RowOf& r, double m, double s, bool target_is_max) {
  const double e = exp_short(all((double)r.z[r.t] - m))[0];
  r.out[r.t] = (float)(-r.scale * (target_is_max ? s : 1 + (s - e)) / (1 + s));
  return log1p(all(s))[0] + (m - r.z[r.t]);
}

static double without_the_one(const RowOf& r) {
  const double m = max_span(r.z, 0, r.V);
  const int64_t top = first_equal(r.z, 0, r.V, m);
  const double s = exp_span<float, false, true>(r.z, 0, r.V, Shift(m, 1), top, r.kept, r.z, r.z);
  scale_span<float>(r.kept, 0, r.V, r.scale / (1 + s), r.out, false);
  return target_entry(r, m, s, r.t == top);
}

// ---- 7 … 10. blocks with a maximum of their own; the next block, and the output, asked for ahead; past the caches -------------

template <bool Input, bool Output, bool Stream> static double blocked(const RowOf& r) {
  struct Part { double max, sum; int64_t top; } parts[1024];
  const int64_t count = block_count(r.V);
  int64_t top = 0;
  for (int64_t b = 0; b < count; ++b) {
    const int64_t from = b * kRowBlock, to = std::min(from + kRowBlock, r.V);
    Part& p = parts[b];
    p.max = max_span(r.z, from, to);
    p.top = first_equal(r.z, from, to, p.max);
    const float *ahead = Input ? r.z + (to - from) : r.z, *written = Output ? r.out : r.z;  // asking for z asks for nothing new
    p.sum = exp_span<float, false, true>(r.z, from, to, Shift(p.max, 1), p.top, r.kept, ahead, written);
    if (p.max > parts[top].max) top = b;
  }
  const double m = parts[top].max;
  double s = 0;
  for (int64_t b = 0; b < count; ++b) s += b == top ? parts[b].sum : exp_short(all(parts[b].max - m))[0] * (1 + parts[b].sum);
  for (int64_t b = 0; b < count; ++b) {
    const int64_t from = b * kRowBlock, to = std::min(from + kRowBlock, r.V);
    const double factor = r.scale / (1 + s) * (b == top ? 1 : exp_short(all(parts[b].max - m))[0]);
    scale_span<float>(r.kept, from, to, factor, r.out, Stream);
  }
  return target_entry(r, m, s, r.t == parts[top].top);
}

// ---- the whole problem -----------------------------------------------------------------------------------------------------

struct Input {
  int64_t N, V;
  Block logits, out;
  std::vector<int64_t> target;

  Input(int64_t n, int64_t v) : N(n), V(v), logits(n * v * 4), out(n * v * 4), target(n) {
    std::mt19937_64 bits(1);
    for (int64_t i = 0; i < n; ++i) target[i] = (int64_t)(bits() % (uint64_t)v);
    for (int64_t i = 0; i < n * v; i += 4) {  // sums of four uniform numbers: nearly normal, deviation 2.3
      const uint64_t u = bits();
      for (int k = 0; k < 4 && i + k < n * v; ++k) {
        int sum = 0;
        for (int j = 0; j < 4; ++j) sum += (int)((u * (uint64_t)(2 * k + 1)) >> (16 * j) & 0xffff);
        z()[i + k] = (float)(sum - 131070) / 16777.0f;
      }
    }
    for (int64_t i = 0; i < n; i += 4) z()[i * v + target[i]] += 20.0f;  // every fourth row is sure of its target
    std::memset(out.data, 0, n * v * 4);
  }
  float* z() const { return static_cast<float*>(logits.data); }
  float* g() const { return static_cast<float*>(out.data); }
};

using RowFunction = double (*)(const RowOf&);

static double some_rows(RowFunction row, const Input& in, int64_t first, int64_t last, int64_t step) {
  std::vector<float> kept(padded(in.V) + 2 * W);  // scale_span, past the caches, reads as far
  double loss = 0;
  for (int64_t n = first; n < last; ++n) {
    const int64_t i = n * step;
    loss += row({in.z() + i * in.V, in.V, in.target[i], in.g() + i * in.V, 1.0 / (double)in.N, kept.data()});
  }
  stream_fence();
  return loss;
}

template <class F> static void in_threads(int threads, int64_t n, F body) {
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([=] { body(n * i / threads, n * (i + 1) / threads); });
  body((int64_t)0, n / threads);
  for (auto& thread : others) thread.join();
}

static void shipped(const Input& in, int threads) {
  Problem p;
  p.logits = p.out = Matrix{};
  p.rows = in.N;
  p.classes = in.V;
  for (Matrix* a : {&p.logits, &p.out}) {
    a->data = static_cast<char*>(a == &p.logits ? in.logits.data : in.out.data);
    a->axes = 1;
    a->shape[0] = in.N;
    a->stride[0] = in.V * 4;
    a->class_stride = 4;
  }
  p.target = in.target.data();
  p.ce_factor = 1.0 / (double)in.N;
  set_num_threads(threads);
  Sums sums;
  if (run_problem(p, nullptr, nullptr, &sums) != Outcome::done) std::abort();
}

// ---- errors ------------------------------------------------------------------------------------------------------------------

static double ulps(long double got, long double exact, int precision) {
  if (!(std::fabs(got) < kInf)) return 1e300;
  int exponent;
  std::frexp(exact, &exponent);
  return (double)(std::fabs(got - exact) / std::ldexp(1.0L, exponent - precision));
}

// The worst entry of the gradients of the first rows, the targets' apart.
static std::pair<double, double> worst_errors(const Input& in) {
  double others = 0, at_target = 0;
  for (int64_t n = 0; n < std::min<int64_t>(in.N, 32 + 65536 / in.V); ++n) {
    const float *z = in.z() + n * in.V, *g = in.g() + n * in.V;
    const float m = *std::max_element(z, z + in.V);
    long double total = 0, without = 0;
    std::vector<long double> e(in.V);
    for (int64_t k = 0; k < in.V; ++k) {
      total += e[k] = std::exp((long double)z[k] - m);
      if (k != in.target[n]) without += e[k];
    }
    for (int64_t k = 0; k < in.V; ++k) {
      if (k == in.target[n]) at_target = std::max(at_target, ulps(g[k], -without / total / in.N, 24));
      else others = std::max(others, ulps(g[k], e[k] / total / in.N, 24));
    }
  }
  return {others, at_target};
}

// ---- time ----------------------------------------------------------------------------------------------------------------

struct Rung {
  const char* key;
  int threads;
  RowFunction row;                             // or, where there is none:
  void (*whole)(const Input&, int threads) = nullptr;

  void run(const Input& in) const {
    if (whole) return whole(in, threads);
    in_threads(threads, in.N, [&](int64_t first, int64_t last) { some_rows(row, in, first, last, 1); });
  }
  // As many elements, but the same few all the time: what is left is arithmetic.
  void run_cached(const Input& few, int64_t elements) const { some_rows(row, few, 0, elements / few.V, 0); }
};

static void copy(const Input& in, int threads) {
  in_threads(threads, in.N, [&](int64_t first, int64_t last) {
    std::memcpy(in.g() + first * in.V, in.z() + first * in.V, (last - first) * in.V * 4);
  });
}

static const Rung kRungs[] = {
    {"copy", 1, nullptr, copy},
    {"copy", 2, nullptr, copy},
    {"three loops", 1, three_loops},
    {"online", 1, online},
    {"float lanes", 1, float_lanes<false>},
    {"compensated", 1, float_lanes<true>},
    {"double lanes", 1, double_lanes},
    {"without the one", 1, without_the_one},
    {"blocks", 1, blocked<false, false, false>},
    {"input ahead", 1, blocked<true, false, false>},
    {"output ahead", 1, blocked<true, true, false>},
    {"past the caches", 1, blocked<true, false, true>},
    {"output ahead", 2, blocked<true, true, false>},
    {"past the caches", 2, blocked<true, false, true>},
    {"shipped", 1, nullptr, shipped},
    {"shipped", 2, nullptr, shipped},
};

static double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + (ptrdiff_t)(x.size() / 2), x.end());
  return x[x.size() / 2];
}

template <class F> static double milliseconds(F body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

static void measure(int64_t n, int64_t v, int rounds, bool first) {
  const Input in(n, v), few(1, std::min(v, kRowBlock));
  constexpr size_t count = std::size(kRungs);
  std::vector<double> times[count], cached[count];
  std::pair<double, double> errors[count];
  for (int round = 0; round <= rounds; ++round)  // the first one warms up
    for (size_t i = 0; i < count; ++i) {
      const Rung& rung = kRungs[i];
      if (round == 0) std::memset(in.out.data, 0xff, (size_t)(n * v) * 4);  // NaN: who writes nothing shows
      const double ms = milliseconds([&] { rung.run(in); });
      if (round == 0) {
        if (rung.whole != copy) errors[i] = worst_errors(in);
        continue;
      }
      times[i].push_back(ms);
      if (rung.row && rung.threads == 1) cached[i].push_back(milliseconds([&] { rung.run_cached(few, n * v); }));
    }
  for (size_t i = 0; i < count; ++i) {
    std::printf("%s  {\"shape\": [%lld, %lld], \"rung\": \"%s\", \"threads\": %d, \"ms\": %.4f, \"min_ms\": %.4f", first && i == 0 ? "" : ",\n",
                (long long)n, (long long)v, kRungs[i].key, kRungs[i].threads, median(times[i]),
                *std::min_element(times[i].begin(), times[i].end()));
    if (!cached[i].empty()) std::printf(", \"cached_ms\": %.4f", median(cached[i]));
    if (kRungs[i].whole != copy) std::printf(", \"ulp\": %.3f, \"target_ulp\": %.3f", errors[i].first, errors[i].second);
    std::printf("}");
  }
}

// ---- the functions ---------------------------------------------------------------------------------------------------------

// The worst error of f over `count` points from a to b, in units of the last place, W at a time.
template <class F, class G> static double worst_of(double a, double b, int64_t count, int precision, F f, G exact) {
  double worst = 0;
  for (int64_t i = 0; i < count; i += W) {
    vd x;
    for (int k = 0; k < W; ++k) x[k] = a + (b - a) * ((double)(i + k) + 0.5) / (double)count;
    const vd y = f(x);
    for (int k = 0; k < W; ++k) worst = std::max(worst, ulps(y[k], exact((long double)x[k]), precision));
  }
  return worst;
}

static void functions(int64_t count) {
  const auto exp_l = [](long double x) { return std::exp(x); };
  const auto log1p_l = [](long double x) { return std::log1p(x); };
  std::printf("{\"lanes\": %d, \"points\": %lld, \"rows\": [\n", W, (long long)count);
  std::printf("  {\"function\": \"exp_short\", \"from\": -87, \"to\": 0, \"unit\": \"float32\", \"ulp\": %.4f},\n",
              worst_of(-87, 0, count, 24, [](vd x) { return exp_short(x); }, exp_l));
  std::printf("  {\"function\": \"exp_exact\", \"from\": -708, \"to\": 0, \"unit\": \"float64\", \"ulp\": %.4f},\n",
              worst_of(-708, 0, count, 53, [](vd x) { return exp_exact(x, vd{}); }, exp_l));
  std::printf("  {\"function\": \"exp_exact\", \"from\": -1, \"to\": 0, \"unit\": \"float64\", \"ulp\": %.4f},\n",
              worst_of(-1, 0, count, 53, [](vd x) { return exp_exact(x, vd{}); }, exp_l));
  std::printf("  {\"function\": \"log1p\", \"from\": 0, \"to\": 1, \"unit\": \"float64\", \"ulp\": %.4f},\n",
              worst_of(0, 1, count, 53, [](vd x) { return ladder::log1p(x); }, log1p_l));
  std::printf("  {\"function\": \"log1p\", \"from\": 0, \"to\": 1e6, \"unit\": \"float64\", \"ulp\": %.4f}\n]}\n",
              worst_of(0, 1e6, count, 53, [](vd x) { return ladder::log1p(x); }, log1p_l));
}

int main(int argc, char** argv) {
  int rounds = 7;
  bool only_functions = false;
  std::vector<std::pair<int64_t, int64_t>> shapes;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--functions") {
      only_functions = true;
    } else if (word == "--rounds" && i + 1 < argc) {
      rounds = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--shape" && i + 2 < argc) {
      const int64_t n = std::atoll(argv[i + 1]), v = std::atoll(argv[i + 2]);
      if (n < 1 || v < 1 || v > 1024 * kRowBlock) return std::fprintf(stderr, "ladder: no shape: %s %s\n", argv[i + 1], argv[i + 2]), 2;
      shapes.emplace_back(n, v);
      i += 2;
    } else {
      return std::fprintf(stderr, "usage: ladder [--rounds R] [--shape N V]... | ladder --functions\n"), 2;
    }
  }
  if (only_functions) return functions(int64_t{1} << 22), 0;
  if (shapes.empty()) shapes = {{65536, 1000}, {256, 262144}};
  std::printf("{\"lanes\": %d, \"rounds\": %d, \"isa\": \"%s\", \"rows\": [\n", W, rounds, chosen_kernels()->name);
  for (size_t i = 0; i < shapes.size(); ++i) measure(shapes[i].first, shapes[i].second, rounds, i == 0);
  std::printf("\n]}\n");
}
