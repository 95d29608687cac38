// The end of a row of class indices: from (m, s, m − a_t) to the loss, W rows at a time.
//
//   C = w_t (log1p(s) + (a_max − a_t)) + λ lse²,   lse = a_max + log1p(s)
//
// All terms of C are ≥ 0, so it is 0 only where the true value is 0 or underflows.
#pragma once
#include "row.h"

namespace softxent::SOFTXENT_NAMESPACE {

constexpr int kBatch = 64;  // rows whose ends are computed together; a multiple of every W

struct Ends {
  int64_t first = 0;
  int count = 0;
  double m[kBatch], s[kBatch], gap[kBatch], gap_lo[kBatch], weight[kBatch], factor[kBatch];

  void begin(int64_t row) { first = row; count = 0; }
  // Row `count` is done: its maximum, others' sum, a_max − a_t, class weight, and row factor.
  void push(double max, double others, double difference, double difference_lo, double w, double r) {
    m[count] = max;
    s[count] = others;
    gap[count] = w * r == 0 ? 0 : difference;   // 0·∞ = 0: a weight of 0 hides a masked target, but no NaN
    gap_lo[count] = w * r == 0 ? 0 : difference_lo;
    weight[count] = w;
    factor[count] = r;
    ++count;
  }
  void push_ignored() { push(0, 0, 0, 0, 0, 0); }
  // The same for W rows, of which the first `rows` are real; w and r are 0 where a row is ignored.
  void push_lanes(vl counts, vd max, vd others, vd difference, vd difference_lo, vd w, vd r, int rows) {
    const vl hidden = (w * r == vd{}) | ~counts;
    store(m + count, pick(counts, max, vd{}));
    store(s + count, pick(counts, others, vd{}));
    store(gap + count, pick(hidden, vd{}, difference));
    store(gap_lo + count, pick(hidden, vd{}, difference_lo));
    store(weight + count, w);
    store(factor + count, r);
    count += rows;
  }
};

// In float64 m − z_t may overflow where w r (m − z_t)/T does not: then a quarter of it goes in, and four times the weight.
template <class T> SX_INLINE void mend_overflow(Ends& ends, int i, const Problem& p) {
  if constexpr (is_exact<T>) {
    if (!(ends.gap[i] == kInf)) return;
    const int64_t n = ends.first + i, t = p.target[n];
    if (t < 0 || t >= p.classes) return;  // changed since it was checked: the row is NaN already
    const double z = get((const T*)(p.logits.row(n) + t * p.logits.class_stride));
    if (!(z > -kInf)) return;
    ends.gap[i] = (0.25 * ends.m[i] - 0.25 * z) / p.temperature;
    ends.weight[i] *= 4 * ends.factor[i];
    ends.factor[i] = 1;
  }
}

SX_INLINE void write_row(void* per_row, bool exact, int64_t n, double value) {
  if (exact) static_cast<double*>(per_row)[n] = value; else static_cast<float*>(per_row)[n] = (float)value;
}

// `inverse` is 1/T: m is a raw logit, a_max = m/T.
template <bool Exact> SX_INLINE void finish_losses(const Problem& p, Ends& ends, Sum<true>& ce, Sum<true>& z) {
  const double inverse = 1 / p.temperature;
  for (int i = ends.count; i % W; ++i) ends.m[i] = ends.s[i] = ends.gap[i] = ends.gap_lo[i] = ends.weight[i] = ends.factor[i] = 0;
  for (int i = 0; i < ends.count; i += W) {
    const vd log_s = log1p(load(ends.s + i));
    const vd gap = load(ends.gap + i), factor = load(ends.factor + i), weight = load(ends.weight + i);
    const vd c = weight * (gap + (log_s + load(ends.gap_lo + i)));
    const vd lse = (Exact ? load(ends.m + i) / p.temperature : load(ends.m + i) * inverse) + log_s;
    const vd zl = p.z_loss == 0 ? vd{} : (p.z_loss * lse) * lse;
    ce.add(factor * c);
    z.add(factor * zl);
    if (!p.per_row) continue;
    const int64_t live = ends.count - i, n = ends.first + i;
    if (Exact) store_up_to(static_cast<double*>(p.per_row) + n, factor * (c + zl), live);
    else store_up_to(static_cast<float*>(p.per_row) + n, factor * (c + zl), live);
  }
}

SX_INLINE void add_sums(double* sums, const Sum<true>& ce, const Sum<true>& z) {
  Scalar a, b;
  add_lanes(a, ce, {});
  add_lanes(b, z, {});
  sums[0] += a.value();
  sums[1] += b.value();
}

}  // namespace softxent::SOFTXENT_NAMESPACE
