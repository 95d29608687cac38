// exp and log1p, as a row needs them: exp of a difference from the maximum (never positive), log1p of a sum (never
// negative). Coefficients: exp by our own minimax fits (Remez, relative error); log1p by its exact series.
#pragma once
#include "real.h"

namespace softxent::SOFTXENT_NAMESPACE {

constexpr double kLog2e = 0x1.71547652b82fep+0;
constexpr double kLn2Hi = 0x1.62e42fefa3800p-1;  // 42 bits: n·kLn2Hi is exact for |n| < 2^11
constexpr double kLn2Lo = 0x1.ef35793c76730p-45;

SX_INLINE vd round_to_int(vd x) {  // to nearest even, |x| < 2^51
  const vd shift = all(0x1.8p52);
  return (x + shift) - shift;
}

#if defined(__AVX512F__)
// 2^(j/16) for j in the low four bits of each lane.
SX_INLINE vd sixteenth_powers(vl j) {
  const __m512d low = _mm512_setr_pd(0x1.0000000000000p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0,
                                     0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0);
  const __m512d high = _mm512_setr_pd(0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0, 0x1.9c49182a3f090p+0,
                                      0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0);
  return (vd)_mm512_permutex2var_pd(low, (__m512i)j, high);
}
#endif

// e^x for x ≤ 0 or NaN: relative error below 2^−28.9 (0.04 ULP of float32) where the result is a normal float64.
// Below −745 (−∞ too) the result is at most 2^−1022, 0 in every storage type that comes this way.
SX_INLINE vd exp_short(vd x) {
#if defined(__AVX512F__)
  // x = (n + j/16) ln2 + r, |r| ≤ ln2/32: the sixteen 2^(j/16) lie in two registers, and degree 3 is enough. 13
  // instructions where the road below takes 15.
  const vd shift = all(0x1.8p48);  // one unit in the last place is 1/16
  x = max_keep_nan(all(-746.0), x);
  const vd t = fma(x, all(kLog2e), shift), n = t - shift;
  const vd r = fma(n, all(-0x1.62e42fefa39efp-1), x);
  vd p = all(0x1.555348026c3b5p-3);
  p = fma(p, r, all(0x1.0002909d07b81p-1));
  p = fma(p, r, all(0x1.0000000adb079p+0));
  p = fma(p, r, all(0x1.fffffff6220b8p-1));
  return scale(sixteenth_powers(bits(t)) * p, n);  // scale floors n
#else
  x = max_keep_nan(all(-708.0), x);
  const vd shift = all(0x1.8p52);
  const vd t = fma(x, all(kLog2e), shift), n = t - shift;
  const vd r = fma(n, all(-0x1.62e42fefa39efp-1), x);
  vd p = all(0x1.6ab925b9a6a4ep-10);
  p = fma(p, r, all(0x1.126d64975df8ep-7));
  p = fma(p, r, all(0x1.55589bf0f048ep-5));
  p = fma(p, r, all(0x1.555409d5986aep-3));
  p = fma(p, r, all(0x1.fffffaab3e32ap-2));
  p = fma(p, r, all(0x1.0000009c7844ep+0));
  p = fma(p, r, all(0x1.0000000263be0p+0));
  return p * (vd)((bits(t) + 1023) << 52);  // 2^n, n ≥ −1022
#endif
}

// e^(x + y) for x ≤ 0 or NaN, |y| ≤ 2^−52 |x|: 0.62 ULP measured where the result is normal, one more rounding where it
// is subnormal, exactly 0 below −746.
SX_INLINE vd exp_exact(vd x, vd y) {
  vl gone = x < all(-746.0);
  x = max_keep_nan(all(-746.0), x);
  vd n = round_to_int(x * kLog2e);
  vd a = x - n * kLn2Hi;          // exact
  vd b = y - n * kLn2Lo;          // |b| < 2^−33
  Pair r = fast_two_sum(a, b);    // |a| may be the smaller one; then b is below 2^−33 and its error below 2^−86
  vd p = all(0x1.20e7d742f984cp-29);
  p = fma(p, r.hi, all(0x1.af86a3e3cd2cbp-26));
  p = fma(p, r.hi, all(0x1.27e3f0e21319dp-22));
  p = fma(p, r.hi, all(0x1.71ddde81f11e1p-19));
  p = fma(p, r.hi, all(0x1.a01a02111b76ap-16));
  p = fma(p, r.hi, all(0x1.a01a01bc021ebp-13));
  p = fma(p, r.hi, all(0x1.6c16c16c015f1p-10));
  p = fma(p, r.hi, all(0x1.111111110cf11p-7));
  p = fma(p, r.hi, all(0x1.555555555558ap-5));
  p = fma(p, r.hi, all(0x1.5555555555566p-3));
  p = fma(p, r.hi, all(0.5));
  p = p * (r.hi * r.hi);                     // e^r − 1 − r, below 0.07
  Pair one = fast_two_sum(all(1.0), r.hi);
  vd e = one.hi + (one.lo + (p + (r.lo + r.lo * r.hi)));
  return pick(gone, vd{}, scale(e, n));
}

// log(1 + s) for s ≥ 0, +∞ or NaN: below 0.8 ULP (measured 0.72).
SX_INLINE vd log1p(vd s) {
  Pair u = two_sum(all(1.0), s);
  vl k = (bits(u.hi) - 0x3fe6a09e667f3bcdLL) >> 52;        // u = 2^k·v, v in [√½, √2)
  vd v = (vd)(bits(u.hi) - (k << 52));
  vd n = (vd)(k + 0x4330000000000000LL) - 0x1p52;
  vd f = v - 1.0;
  vd c = u.lo / u.hi;                                      // log(u + c·u) = log u + c
  vd w = f / (2.0 + f), z = w * w;
  vd q = all(2.0 / 25);                                    // log v = 2 artanh w = 2w + 2w³/3 + 2w⁵/5 + …, z < 0.0295
  q = fma(q, z, all(2.0 / 23));
  q = fma(q, z, all(2.0 / 21));
  q = fma(q, z, all(2.0 / 19));
  q = fma(q, z, all(2.0 / 17));
  q = fma(q, z, all(2.0 / 15));
  q = fma(q, z, all(2.0 / 13));
  q = fma(q, z, all(2.0 / 11));
  q = fma(q, z, all(2.0 / 9));
  q = fma(q, z, all(2.0 / 7));
  q = fma(q, z, all(2.0 / 5));
  q = fma(q, z, all(2.0 / 3));
  q = q * z;
  vd h = 0.5 * f * f;                                      // 2w = f − w·f, so log v = f − (f²/2 − w·(f²/2 + q))
  vd y = n * kLn2Hi - ((h - fma(w, h + q, fma(n, all(kLn2Lo), c))) - f);
  return pick(s < all(0x1p1000), y, s);                    // +∞ and NaN stay themselves
}

// e^x and e^x − 1 for x ≤ 0, each to its own relative accuracy, in either precision: reduced to |r| ≤ ln2/2 (a pair: to a
// 64th of it), the series of E = e^r − 1, then E(2 + E) = e^(2r) − 1, then 2^n (1 + E).
template <class R> struct Exponentials { R exp, minus_one; };

template <class R> SX_INLINE Exponentials<R> exp_and_expm1(R x) {
  constexpr bool exact = sizeof(R) == sizeof(Pair);
  const vl low = head(x) < all(-746.0);
  x = pick(low, real<R>(-746.0), x);
  const vd n = round_to_int(head(x) * kLog2e);
  R r;
  if constexpr (exact) {
    Pair t = add({x.hi - n * kLn2Hi, x.lo}, neg(two_product(n, all(kLn2Lo))));
    t = add(t, {n * all(-0x1.f97b57a079a19p-103), vd{}});  // ln2 − kLn2Hi − kLn2Lo
    r = {t.hi * 0x1p-6, t.lo * 0x1p-6};
  } else {
    r = fma(n, all(-kLn2Lo), x - n * kLn2Hi);
  }
  constexpr int terms = exact ? 11 : 12;                   // 0.0054^11/12! = 2^−111; 0.347^12/13! = 2^−50
  double factorial[14] = {1};
  for (int i = 1; i < 14; ++i) factorial[i] = factorial[i - 1] * i;
  R e = div(real<R>(1.0), real<R>(factorial[terms + 1]));
  for (int i = terms; i >= 1; --i) e = add(mul(e, r), div(real<R>(1.0), real<R>(factorial[i])));
  e = mul(e, r);
  if constexpr (exact)
    for (int i = 0; i < 6; ++i) e = mul(e, add(e, real<R>(2.0)));
  const R grown = scaled(add(e, real<R>(1.0)), n);
  return {grown, pick(n == vd{}, e, add(grown, real<R>(-1.0)))};
}

}  // namespace softxent::SOFTXENT_NAMESPACE
