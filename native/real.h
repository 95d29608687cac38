// Arithmetic with the rounding error carried along: a pair hi + lo holds about 106 bits.
//
// Sources: Knuth's TwoSum, Dekker's FastTwoSum and TwoProduct; the pair operations follow Joldes, Muller and Popescu,
// "Tight and rigorous error bounds for basic building blocks of double-word arithmetic" (2017), errors of a few 2^−106.
#pragma once
#include "vec.h"

namespace softxent::SOFTXENT_NAMESPACE {

struct Pair { vd hi, lo; };

// a + b = hi + lo exactly. Where the sum overflows or an input is infinite, lo is NaN: callers decide.
SX_INLINE Pair two_sum(vd a, vd b) {
  vd s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
// The same for |a| >= |b|.
SX_INLINE Pair fast_two_sum(vd a, vd b) {
  vd s = a + b;
  return {s, b - (s - a)};
}
// a·b = hi + lo exactly, for products that neither overflow nor leave the normal range.
SX_INLINE Pair two_product(vd a, vd b) {
  vd p = a * b;
  if constexpr (kFused) {
    return {p, fma(a, b, -p)};
  } else {
    const vd split = all(134217729.0);  // 2^27 + 1: halves of 26 bits
    vd ca = split * a, ah = ca - (ca - a), al = a - ah;
    vd cb = split * b, bh = cb - (cb - b), bl = b - bh;
    return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
  }
}

SX_INLINE Pair add(Pair a, Pair b) {
  Pair s = two_sum(a.hi, b.hi), t = two_sum(a.lo, b.lo);
  Pair u = fast_two_sum(s.hi, s.lo + t.hi);
  return fast_two_sum(u.hi, u.lo + t.lo);
}
SX_INLINE Pair mul(Pair a, Pair b) {
  Pair p = two_product(a.hi, b.hi);
  return fast_two_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}
SX_INLINE Pair div(Pair a, Pair b) {
  vd q = a.hi / b.hi;
  Pair p = mul(b, {q, vd{}});
  vd r = ((a.hi - p.hi) - p.lo) + a.lo;  // the first difference is exact: p is within rounding of a
  return fast_two_sum(q, r / b.hi);
}
SX_INLINE Pair neg(Pair a) { return {-a.hi, -a.lo}; }
SX_INLINE Pair pick(vl c, Pair yes, Pair no) { return {pick(c, yes.hi, no.hi), pick(c, yes.lo, no.lo)}; }

// The same names on plain float64, so that one template serves both precisions: R is vd or Pair.
SX_INLINE vd add(vd a, vd b) { return a + b; }
SX_INLINE vd mul(vd a, vd b) { return a * b; }
SX_INLINE vd div(vd a, vd b) { return a / b; }
SX_INLINE vd neg(vd a) { return -a; }
SX_INLINE vd head(vd a) { return a; }
SX_INLINE vd head(Pair a) { return a.hi; }
SX_INLINE vd rounded(vd a) { return a; }
SX_INLINE vd rounded(Pair a) { return pick(a.lo == a.lo, a.hi + a.lo, a.hi); }  // ∞ has no error term
SX_INLINE vd doubled(vd x) { return 2 * x; }
SX_INLINE Pair doubled(Pair x) { return {2 * x.hi, 2 * x.lo}; }
SX_INLINE vd scaled(vd x, vd n) { return scale(x, n); }
SX_INLINE Pair scaled(Pair x, vd n) { return {scale(x.hi, n), scale(x.lo, n)}; }

template <bool Exact> struct RealOf { using type = vd; };
template <> struct RealOf<true> { using type = Pair; };
template <bool Exact> using Real = typename RealOf<Exact>::type;

// An R from lanes, from a double, from a sum in two parts.
template <class R> SX_INLINE R real(vd x) {
  if constexpr (sizeof(R) == sizeof(Pair)) return {x, vd{}}; else return x;
}
template <class R> SX_INLINE R real(double x) { return real<R>(all(x)); }
template <class R> SX_INLINE R real(double hi, double lo) {
  if constexpr (sizeof(R) == sizeof(Pair)) return two_sum(all(hi), all(lo)); else return all(hi + lo);
}
// a − b of two float64 numbers, exactly where R is a pair.
template <class R> SX_INLINE R difference(vd a, vd b) {
  if constexpr (sizeof(R) == sizeof(Pair)) return two_sum(a, -b); else return a - b;
}
template <class R> SX_INLINE double lane0(R x) { return rounded(x)[0]; }

// A sum of many numbers: TwoSum's errors are kept beside the sum (Ogita, Rump and Oishi 2005), so that the result is as
// good as summed in twice the precision. `Exact` is false where the storage type has 24 bits or fewer: there float64's
// own 53 are enough, and four times faster.
template <bool Exact> struct Sum {
  vd s = vd{}, e = vd{};
  SX_INLINE_MEMBER void add(vd x) {
    if constexpr (Exact) {
      Pair t = two_sum(s, x);
      s = t.hi;
      e += t.lo;
    } else {
      s += x;
    }
  }
};

// Scalars with the same care.
struct Scalar {
  double s = 0, e = 0;
  SX_INLINE_MEMBER void add(double x) {
    double t = s + x, b = t - s;
    double error = (s - (t - b)) + (x - b);
    s = t;
    if (error == error) e += error;  // an infinite or NaN sum has no error worth keeping
  }
  SX_INLINE_MEMBER double value() const { return s + e; }
};

// The lanes of two sums, halved in a fixed order.
template <bool Exact> SX_INLINE void add_lanes(Scalar& total, const Sum<Exact>& a, const Sum<Exact>& b) {
  if constexpr (Exact) {
    Pair both = two_sum(a.s, b.s);
    vd s = both.hi, e = a.e + b.e + both.lo;
    for (int half = W / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) {
        const double x = s[i], y = s[i + half], t = x + y, back = t - x;
        s[i] = t;
        e[i] += e[i + half] + ((x - (t - back)) + (y - back));
      }
    total.add(s[0]);
    if (e[0] == e[0]) total.e += e[0];
  } else {
    total.s += sum_lanes(a.s + b.s);
  }
}

}  // namespace softxent::SOFTXENT_NAMESPACE
