// Any options, any derivative: a row as arrays of float64 in scratch.
//
//   hi + lo = a_k − a_max, e = e^{hi + lo}, w = w̃_k, jac = J_k = sech²(z_k/c)/T, th = tanh(z_k/c)
//
// One road for soft targets, label smoothing and softcap, and for the JVP, HVP, Hessian diagonal, target gradient and
// statistics of every problem.
#pragma once
#include "row_softmax.h"

namespace softxent::SOFTXENT_NAMESPACE {

struct DenseRow {
  // arrays of padded(V); those that an operation does not need are null
  double *hi, *lo, *e, *w, *jac, *th, *v, *tt;
  int64_t V, argmax, target;
  double m, a_max, s, log_s, lse;
  double lse_lo;        // what rounding took from lse; 0 unless prepare_lse was called
  Scalar weight_sum;    // W = Σ w̃_k, in twice the precision
  double weighted_gap;  // Σ w̃_k (a_max − a_k)
  bool bad;

  double loss() const { return weight_sum.value() * log_s + weighted_gap + 0.0; }
};

struct Needs {
  bool weights, capped, vector, target_tangent;
};
SX_INLINE Needs needs_of(const Problem& p) {
  const bool normalises = p.op == Op::softmax || p.op == Op::log_softmax || p.op == Op::logsumexp || p.op == Op::softmax_jvp;
  return {!normalises && p.op != Op::target_grad, p.softcap != 0, p.vector.data != nullptr, p.target_tangent.data != nullptr};
}

SX_INLINE int64_t dense_arrays(const Needs& needs) { return 3 + needs.weights + 2 * needs.capped + needs.vector + needs.target_tangent; }

SX_INLINE DenseRow dense_row(const Problem& p, const Needs& needs, double* memory) {
  DenseRow d{};
  d.V = p.classes;
  auto take = [&](bool wanted) {
    double* q = wanted ? memory : nullptr;
    if (wanted) memory += padded(p.classes);
    return q;
  };
  d.hi = take(true); d.lo = take(true); d.e = take(true);
  d.w = take(needs.weights);
  d.jac = take(needs.capped); d.th = take(needs.capped);
  d.v = take(needs.vector); d.tt = take(needs.target_tangent);
  return d;
}

// ---- softcap ------------------------------------------------------------------------------------------------------------

// At x: e^{−2|x|}, sech² x = 4e^{−2|x|}/(1 + e^{−2|x|})² (1 − tanh² would cancel), and tanh x.
template <class R> struct Capped { R decay, sech2, tanh; };
template <class R> SX_INLINE Capped<R> capped(R x) {
  const vl positive = head(x) > vd{};
  const Exponentials<R> e = exp_and_expm1(doubled(pick(positive, neg(x), x)));
  const R one = add(e.exp, real<R>(1.0));
  const R size = div(neg(e.minus_one), one);
  return {e.exp, div(doubled(doubled(e.exp)), mul(one, one)), pick(positive, size, neg(size))};
}

// z/c, at most 400 in size: beyond, tanh is 1 to 10^−347.
template <class R> SX_INLINE R capped_argument(R z, double c) {
  const vd edge = all(400 * c);
  z = pick(head(z) > edge, real<R>(edge), pick(head(z) < -edge, real<R>(-edge), z));
  return div(z, real<R>(c));
}

// a_k − a_max with softcap: c (tanh x − tanh y) = −2c·(1 − e^{2(x − y)})·q/((1 + e^{−2|x|})(1 + e^{−2|y|})), x ≤ y,
// q = e^{−2x} where x > 0, e^{−2|y|} where y < 0, else 1: products of accurate factors, where the difference of two
// tanh would lose c·2^−53 of it, 30 ULP of e^a at c = 30.
template <bool Exact> SX_INLINE Real<Exact> capped_shift(vd z, vd m, const Problem& p, vd& jac, vd& th) {
  using R = Real<Exact>;
  R gap = difference<R>(z, m);
  gap = pick(head(gap) > all(-0x1p1023), gap, real<R>(-0x1p1023));  // overflow: as far as can be
  const R x = capped_argument(real<R>(z), p.softcap), y = capped_argument(real<R>(m), p.softcap);
  const Capped<R> at_x = capped(x), at_y = capped(y);
  const R below = neg(exp_and_expm1(doubled(capped_argument(gap, p.softcap))).minus_one);
  const R q = pick(head(x) > vd{}, at_x.decay, pick(head(y) < vd{}, at_y.decay, real<R>(1.0)));
  const R under = mul(add(at_x.decay, real<R>(1.0)), add(at_y.decay, real<R>(1.0)));
  const R temperature = real<R>(p.temperature);
  jac = rounded(div(at_x.sech2, temperature));
  th = rounded(at_x.tanh);
  return neg(div(mul(doubled(div(mul(below, q), under)), real<R>(p.softcap)), temperature));
}

// m = max_k z_k over all blocks.
template <class T> SX_INLINE double row_max(const T* z, const Blocks& blocks) {
  if (blocks.classes <= kRowBlock) return max_span(z, 0, blocks.classes);
  blocks.each([&](int64_t b, int64_t from, int64_t to) { blocks.partial[b * kPartials].s = max_span(z, from, to); });
  double m = -kInf;
  for (int64_t b = 0; b < block_count(blocks.classes); ++b) {
    double x = blocks.partial[b * kPartials].s;
    m = x > m ? x : m;
  }
  return m;
}

// ---- preparation --------------------------------------------------------------------------------------------------------

template <bool Exact> SX_INLINE Pair as_pair(Real<Exact> x) {
  if constexpr (Exact) return x; else return {x, vd{}};
}

// lse in twice the precision, from exponentials summed so. a_max and log1p(s) may cancel, and what is left is squared and
// multiplied by λ: in float64, with plain roundings, the z-loss's gradient was up to 71 ULP off where they nearly did.
SX_INLINE void prepare_lse(const Problem& p, DenseRow& d, const Scalar& sum) {
  const Pair s = two_sum(all(sum.s), all(sum.e)), one = real<Pair>(1.0);
  // log(1 + s) = y + δ − …, δ = (1 + s) e^{−y} − 1, y = log1p(s) as rounded
  const Pair y = real<Pair>(d.log_s), delta = add(mul(add(s, one), exp_and_expm1(neg(y)).exp), neg(one));
  Pair a = real<Pair>(d.m);
  if (p.softcap != 0) a = mul(real<Pair>(p.softcap), capped(capped_argument(a, p.softcap)).tanh);
  const Pair lse = add(div(a, real<Pair>(p.temperature)), add(y, delta));
  if (!(lse.lo[0] == lse.lo[0])) return;
  d.lse = lse.hi[0];
  d.lse_lo = lse.lo[0];
}

template <class T, bool Exact>
static void prepare_shift(const Problem& p, const T* z, DenseRow& d, const Blocks& blocks, bool poisoned) {
  d.m = row_max(z, blocks);
  d.bad = !is_finite(d.m) || poisoned;
  d.argmax = first_equal(z, 0, d.V, d.m);
  const Shift shift(d.m, p.temperature);
  d.a_max = d.m / p.temperature;
  if (p.softcap != 0) {
    vd jac, th;
    capped_shift<Exact>(all(d.m), all(d.m), p, jac, th);
    d.a_max = p.softcap * th[0] / p.temperature;
  }
  const bool twice = Exact && p.z_loss != 0;  // see prepare_lse
  Scalar sums[1];
  blocks.sum(sums, [&](int64_t from, int64_t to, Scalar* s) {
    Sum<Exact> others;
    for (int64_t i = from; i < to; i += W) {
      const vd x = load_up_to(z + i, to - i);
      Pair a;
      if (p.softcap != 0) {
        vd jac, th;
        a = as_pair<Exact>(capped_shift<Exact>(x, all(d.m), p, jac, th));
        const vl is_mask = x == all(-kInf);   // looked at before the cap: −∞ stays a mask
        a = pick(is_mask, Pair{all(-kInf), vd{}}, a);
        a.hi = pick(x == x, a.hi, x);         // and a NaN a NaN
        store(d.jac + i, pick(is_mask, vd{}, jac));
        store(d.th + i, pick(is_mask, all(-1.0), th));
      } else {
        a = p.temperature == 1 ? shifted<Exact, false>(x, shift) : shifted<Exact, true>(x, shift);
      }
      const vl masked = a.hi == all(-kInf), first_max = lanes((double)i) == all((double)d.argmax);
      vd e;
      if (twice) {
        const Pair both = exp_and_expm1(a).exp;
        e = pick(masked, vd{}, both.hi);
        others.e += pick(masked | first_max, vd{}, both.lo);
      } else {
        e = pick(masked, vd{}, exp_shifted<Exact>(a));
      }
      store(d.hi + i, a.hi);
      store(d.lo + i, a.lo);
      store(d.e + i, e);
      others.add(pick(first_max, vd{}, e));
    }
    add_lanes(s[0], others, {});
  });
  d.s = d.bad ? SX_NAN : sums[0].value();
  d.log_s = log1p(all(d.s))[0];
  d.lse_lo = 0;
  d.lse = d.a_max + d.log_s;
  if (twice && d.s == d.s) prepare_lse(p, d, sums[0]);
}

// w̃_k = w_k ((1 − ε) t_k + ε/V), W, and Σ w̃_k (a_max − a_k), class by class with 0·∞ = 0.
template <class T, bool Exact>
static void prepare_weights(const Problem& p, int64_t n, const T* z, DenseRow& d, const Blocks& blocks) {
  const double keep = 1 - p.smoothing, share = p.smoothing / (double)d.V;
  if (p.soft.data) {
    widen_any(p.soft, n, d.V, d.w);
  } else {
    memset(d.w, 0, padded(d.V) * sizeof(double));
    d.w[d.target] = 1;
  }
  Scalar sums[2];
  blocks.sum(sums, [&](int64_t from, int64_t to, Scalar* s) {
    Sum<true> weights, gaps;
    for (int64_t i = from; i < to; i += W) {
      vd w = load(d.w + i);
      if (p.smoothing != 0) {
        const Pair t = two_product(w, all(keep)), u = two_sum(t.hi, all(share));
        w = pick(lanes((double)i) < all((double)d.V), u.hi + (u.lo + t.lo), vd{});
      }
      if (p.weight) w = w * load_weights(p.weight, i, d.V);
      store(d.w + i, w);
      vd gap = w * -load(d.hi + i);
      if constexpr (is_exact<T>) {  // m − z_k may overflow where w̃_k (m − z_k)/T does not
        const vd x = load_up_to(z + i, to - i);
        const vd quarters = 4 * w * ((0.25 * d.m - 0.25 * x) / p.temperature);
        gap = pick((load(d.hi + i) == all(-kInf)) & (x > all(-kInf)), quarters, gap);
      }
      weights.add(w);
      gaps.add(pick(w == vd{}, vd{}, gap));
    }
    add_lanes(s[0], weights, {});
    add_lanes(s[1], gaps, {});
  });
  d.weight_sum = sums[0];
  d.weighted_gap = sums[1].value();
}

// ---- what the derivatives share -----------------------------------------------------------------------------------------
//
// In float64 every product below is taken on pairs and rounded once at the end: with plain roundings the HVP is 6 to 7 ULP
// off where 6 are owed.

// Scalars of a row's derivatives: the loss's factor ce = r·ce_factor, the z-loss's 2λr·z_factor, both over Σ e.
template <class R> struct Factors {
  R total, ce, z, curve, twice_lambda;  // total = 1 + s; ce, z, curve = (W·ce + 2λ lse) each divided by it
};
template <class R> SX_INLINE Factors<R> factors_of(const Problem& p, int64_t n, const DenseRow& d) {
  Factors<R> f;
  const double r = p.row_factor(n);
  const R ce = mul(real<R>(p.ce_factor), real<R>(r));
  f.total = add(real<R>(1.0), real<R>(d.s));
  f.ce = div(ce, f.total);
  f.twice_lambda = p.z_loss == 0 ? real<R>(0.0) : mul(mul(real<R>(2 * p.z_factor), real<R>(r)), real<R>(p.z_loss));
  const R z = p.z_loss == 0 ? real<R>(0.0) : mul(f.twice_lambda, real<R>(d.lse, d.lse_lo));
  f.z = div(z, f.total);
  f.curve = div(add(mul(ce, real<R>(d.weight_sum.s, d.weight_sum.e)), z), f.total);
  return f;
}

SX_INLINE vl at_argmax(const DenseRow& d, int64_t i) { return lanes((double)i) == all((double)d.argmax); }

// Σ_{j≠k} e^{a_j − a_max}: s itself at the arg-max, else 1 + (s − e_k), where e_k is one of s's own terms.
template <class R> SX_INLINE R other_exps(const DenseRow& d, int64_t i) {
  return pick(at_argmax(d, i), real<R>(d.s), add(difference<R>(all(d.s), load(d.e + i)), real<R>(1.0)));
}

// ∂(C + λ lse²)/∂a_k, scaled: y_k Σ_{j≠k} w̃_j − w̃_k Σ_{j≠k} y_j + 2λ lse y_k, the sums over "the others" without
// cancellation: W − w̃_k in twice the precision.
template <class R> SX_INLINE R gradient_at(const DenseRow& d, const Factors<R>& f, int64_t i) {
  const vd e = load(d.e + i), w = load(d.w + i);
  const Pair rest = two_sum(all(d.weight_sum.s), -w);
  const R other_weights = add(difference<R>(rest.hi, -rest.lo), real<R>(d.weight_sum.e));
  const R g = add(mul(real<R>(e), other_weights), neg(mul(real<R>(w), other_exps<R>(d, i))));
  return add(mul(f.ce, g), mul(f.z, real<R>(e)));
}

// J_k; 1/T without softcap.
template <class R> SX_INLINE R jacobian_at(const Problem& p, const DenseRow& d, int64_t i) {
  return d.jac ? real<R>(load(d.jac + i)) : div(real<R>(1.0), real<R>(p.temperature));
}

// (2/c) tanh·J·v·∂C/∂a: how the cap's own bend enters second derivatives.
template <class R>
SX_INLINE R bend_at(const Problem& p, const DenseRow& d, const Factors<R>& f, int64_t i, R v) {
  const R slope = mul(real<R>(load(d.th + i)), real<R>(load(d.jac + i)));
  return mul(mul(div(real<R>(2.0), real<R>(p.softcap)), slope), mul(gradient_at(d, f, i), v));
}

}  // namespace softxent::SOFTXENT_NAMESPACE
