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
};

// The end of row n of class t. In float64 m − z_t may overflow where w r (m − z_t)/T does not: then a quarter of it goes in,
// and four times the weight.
template <class T>
SX_INLINE void push_row(Ends& ends, const Problem& p, int64_t n, int64_t t, double m, double s, double gap, double gap_lo, double w,
                        double r) {
  if constexpr (is_exact<T>) {
    const double z = gap == kInf ? get((const T*)(p.logits.row(n) + t * p.logits.class_stride)) : 0;
    if (gap == kInf && z > -kInf) return ends.push(m, s, (0.25 * m - 0.25 * z) / p.temperature, 0, 4 * w * r, 1);
  }
  ends.push(m, s, gap, gap_lo, w, r);
}

SX_INLINE void write_row(void* per_row, bool exact, int64_t n, double value) {
  if (exact) static_cast<double*>(per_row)[n] = value; else static_cast<float*>(per_row)[n] = (float)value;
}

// `inverse` is 1/T: m is a raw logit, a_max = m/T.
template <bool Exact> SX_INLINE void finish_losses(const Problem& p, Ends& ends, Scalar& ce, Scalar& z) {
  const double inverse = 1 / p.temperature;
  for (int i = ends.count; i % W; ++i) ends.m[i] = ends.s[i] = ends.gap[i] = ends.gap_lo[i] = ends.weight[i] = ends.factor[i] = 0;
  for (int i = 0; i < ends.count; i += W) {
    vd log_s = log1p(load(ends.s + i));
    vd gap = load(ends.gap + i), factor = load(ends.factor + i), weight = load(ends.weight + i);
    vd c = weight * (gap + (log_s + load(ends.gap_lo + i)));
    vd lse = (Exact ? load(ends.m + i) / p.temperature : load(ends.m + i) * inverse) + log_s;
    vd zl = p.z_loss == 0 ? vd{} : (p.z_loss * lse) * lse;
    vd rc = factor * c, rz = factor * zl, both = factor * (c + zl);
    int live = ends.count - i < W ? ends.count - i : W;
    for (int k = 0; k < live; ++k) {
      ce.add(rc[k]);
      z.add(rz[k]);
      if (p.per_row) write_row(p.per_row, Exact, ends.first + i + k, both[k]);
    }
  }
}

}  // namespace softxent::SOFTXENT_NAMESPACE
