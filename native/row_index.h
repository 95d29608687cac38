// The loss of class indices and its gradient, one row at a time: the road of every V above kTinyClasses.
//
//   others = Σ_{k≠max} e^{a_k − a_max} = s,   y_k = e^{a_k − a_max}/(1 + s)
//   ∂C/∂z_k = (w_t y_k + 2λ lse y_k)/T for k ≠ t;   at t: (−w_t Σ_{j≠t} y_j + 2λ lse y_t)/T
//
// Three passes: maximum; exponentials, kept in scratch, and their sum; scale into `out`, which may be the logits.
#pragma once
#include "losses.h"

namespace softxent::SOFTXENT_NAMESPACE {

// The factors of one row's gradient: of every class, and what takes the target's place.
struct Scales { double all, at_target; };

template <class T, bool Tempered>
SX_INLINE Scales gradient_scales(const Problem& p, double m, double s, double exp_target, bool target_is_max, double w, double r) {
  const double ce = p.ce_factor * r * w, total = 1 + s;
  double z = 0;
  if (p.z_loss != 0) {
    double lse = m / p.temperature + log1p(all(s))[0];
    z = 2 * p.z_factor * r * p.z_loss * lse;
  }
  const double others = target_is_max ? s : 1 + (s - exp_target);  // e_t is one of s's own terms: no cancellation
  double norm = Tempered ? total * p.temperature : total;
  return {(ce + z) / norm, (z * exp_target - ce * others) / norm + 0.0};
}

template <class T, bool Tempered>
SX_INLINE void index_row(const Problem& p, int64_t n, T* row_scratch, Kept<T>* kept, const Blocks& blocks, Ends& ends) {
  const int64_t V = p.classes;
  int64_t t = p.target[n];
  T* out = p.out.data ? writable_row(p.out, n, row_scratch) : nullptr;
  if (t == p.ignore_index) {  // not read
    if (out) {
      fill_row(out, V, 0);
      finish_row(p.out, n, V, out);
    }
    if (p.saved && p.op == Op::loss) p.saved[2 * n] = p.saved[2 * n + 1] = 0;
    return ends.push_ignored();
  }
  const T* z = contiguous_row(p.logits, n, V, row_scratch);
  const bool again = p.op == Op::gradient;  // (m, s) are known
  const RowSums sums = out ? row_sums<T, Tempered, true>(z, blocks, p.temperature, kept, p.stream ? z : out)
                           : row_sums<T, Tempered, false>(z, blocks, p.temperature, kept, z);
  const double m = sums.m;
  double s = again ? p.saved[2 * n + 1] : sums.s;
  if (!is_finite(m)) s = SX_NAN;            // +∞, or all −∞, or all NaN
  if (t < 0 || t >= V) s = SX_NAN, t = 0;   // targets were checked before; one changed since poisons its row
  const Shift shift(m, p.temperature);

  const double w = p.weight ? p.weight[t] : 1.0, r = p.row_factor(n);
  const Pair target = shifted<is_exact<T>, Tempered>(all(get(z + t)), shift);
  if (p.saved && !again) {
    p.saved[2 * n] = m;
    p.saved[2 * n + 1] = s;
  }
  ends.push(m, s, -target.hi[0], -target.lo[0], w, r);
  mend_overflow<T>(ends, ends.count - 1, p);
  if (!out) return;
  if (!(s == s)) {
    fill_row(out, V, SX_NAN);
    return finish_row(p.out, n, V, out);
  }

  const double exp_target = exp_shifted<is_exact<T>>(target)[0];
  const Scales g = gradient_scales<T, Tempered>(p, m, s, exp_target, t == sums.argmax, w, r);
  if (is_exact<T> || !(__builtin_fabs(g.all) > 1)) {
    blocks.each([&](int64_t b, int64_t from, int64_t to) {
      scale_span<T>(kept, from, to, g.all * blocks.parts[b].factor, out, p.stream);
    });
  } else {  // a factor above 1 would bring back what float32 lost below its smallest normal: take e^{a−m} anew
    blocks.each([&](int64_t, int64_t from, int64_t to) {
      for (int64_t i = from; i < to; i += W) {
        vd e = exp_shifted<is_exact<T>>(shifted<is_exact<T>, Tempered>(load_up_to(z + i, to - i), shift));
        store_up_to(out + i, e * g.all, to - i);
      }
    });
  }
  put(out + t, g.at_target);
  finish_row(p.out, n, V, out);
}

template <class T, bool Tempered>
static void index_rows(const Problem& p, int64_t first, int64_t last, char* scratch, const Parallel& parallel, double* sums) {
  const int64_t V = p.classes;
  const Blocks blocks = blocks_in(scratch, V, parallel);
  Kept<T>* kept = (Kept<T>*)(scratch + blocks_bytes(V));
  T* row_scratch = (T*)(kept + padded(V));
  Sum<true> ce, z;
  Ends ends;
  for (int64_t n = first; n < last; n += kBatch) {
    ends.begin(n);
    for (int64_t i = n; i < n + kBatch && i < last; ++i) index_row<T, Tempered>(p, i, row_scratch, kept, blocks, ends);
    finish_losses<is_exact<T>>(p, ends, ce, z);
  }
  add_sums(sums, ce, z);
}

}  // namespace softxent::SOFTXENT_NAMESPACE
