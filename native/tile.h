// Few classes: W rows at a time, one row a lane, so that nothing is ever summed across lanes. The road of every
// V ≤ kTinyClasses, for softmax and for the loss of class indices. Rows left over run the same arithmetic, padded.
#pragma once
#include "row_index.h"

namespace softxent::SOFTXENT_NAMESPACE {

constexpr int64_t kTinyClasses = 24;

// W rows of V elements, class by class: at(k) holds class k of all rows.
struct Tile {
  double rowwise[kTinyClasses * W];    // as in memory: row r's class k at r·V + k
  vd x[kTinyClasses];

  template <class T> SX_INLINE_MEMBER void read(const Matrix& a, int64_t n, int rows, int64_t V) {
    const bool direct = rows == W && a.axes == 1 && a.class_stride == (int64_t)sizeof(T) && a.stride[0] == V * (int64_t)sizeof(T);
    T gathered[kTinyClasses * W];
    const T* p = (const T*)a.row(n);
    if (!direct) {
      memset(gathered, 0, sizeof gathered);
      for (int r = 0; r < rows; ++r) {
        const char* q = a.row(n + r);
        if (a.class_stride == (int64_t)sizeof(T)) memcpy(gathered + r * V, q, V * sizeof(T));
        else for (int64_t k = 0; k < V; ++k, q += a.class_stride) memcpy(gathered + r * V + k, q, sizeof(T));
      }
      p = gathered;
    }
    for (int64_t k = 0; k < V; ++k) store(rowwise + k * W, load(p + k * W));
    for (int64_t k = 0; k < V; ++k) x[k] = gather(rowwise + k, V);
  }

  template <class T> SX_INLINE_MEMBER void write(const Matrix& a, int64_t n, int rows, int64_t V) {
    for (int64_t k = 0; k < V; ++k)
      for (int r = 0; r < W; ++r) rowwise[r * V + k] = x[k][r];
    if (rows == W && a.axes == 1 && a.class_stride == (int64_t)sizeof(T) && a.stride[0] == V * (int64_t)sizeof(T)) {
      T* p = (T*)a.row(n);
      for (int64_t k = 0; k < V; ++k) store(p + k * W, load(rowwise + k * W));
      return;
    }
    for (int r = 0; r < rows; ++r) {
      char* q = a.row(n + r);
      for (int64_t k = 0; k < V; ++k, q += a.class_stride) {
        T one;
        put(&one, rowwise[r * V + k]);
        memcpy(q, &one, sizeof(T));
      }
    }
  }
};

// The lanes' Shift: the same arithmetic as for one row.
template <bool Exact, bool Tempered> SX_INLINE Pair shifted_lanes(vd z, vd m, const Problem& p) {
  if constexpr (Exact && Tempered) {  // the pre-scale is chosen row by row
    vd hi, lo;
    for (int r = 0; r < W; ++r) {
      Pair one = shifted<true, true>(all(z[r]), Shift(m[r], p.temperature));
      hi[r] = one.hi[0];
      lo[r] = one.lo[0];
    }
    return {hi, lo};
  } else if constexpr (Exact) {
    Pair d = two_sum(z, -m);
    return {d.hi, pick(d.hi > all(-0x1.fffffffffffffp1023), d.lo, vd{})};
  } else {
    return {Tempered ? (z - m) * (1 / p.temperature) : z - m, vd{}};
  }
}

// What a tile knows after its second pass.
struct TileSums {
  vd m, s, gap, gap_lo, exp_target;
  vl target_is_max, bad;
};

// x becomes e^{a − a_max}; `target` holds each lane's class, −1 where there is none.
template <class T, bool Tempered>
SX_INLINE TileSums tile_sums(const Problem& p, Tile& tile, vd target, bool log_only = false) {
  constexpr bool exact = is_exact<T>;
  const int64_t V = p.classes;
  TileSums t;
  t.m = all(-kInf);
  for (int64_t k = 0; k < V; ++k) t.m = max_keep_nan(tile.x[k], t.m);
  t.bad = ~(t.m < all(kInf)) | (t.m == all(-kInf));
  t.s = t.gap = t.gap_lo = t.exp_target = vd{};
  t.target_is_max = vl{};
  vl before = vl{};  // lanes whose arg-max has gone by
  Sum<exact> sum;
  for (int64_t k = 0; k < V; ++k) {
    Pair a = shifted_lanes<exact, Tempered>(tile.x[k], t.m, p);
    vd e = exp_shifted<exact>(a);
    vl is_max = (tile.x[k] == t.m) & ~before, is_target = target == all((double)k);
    before |= is_max;
    sum.add(pick(is_max, vd{}, e));
    t.gap = pick(is_target, -a.hi, t.gap);
    if constexpr (exact) t.gap_lo = pick(is_target, -a.lo, t.gap_lo);
    t.exp_target = pick(is_target, e, t.exp_target);
    t.target_is_max |= is_target & is_max;
    if (!log_only) tile.x[k] = e;
    else tile.x[k] = exact ? a.hi + a.lo : a.hi;
  }
  t.s = exact ? sum.s + pick(sum.e == sum.e, sum.e, vd{}) : sum.s;
  t.s = pick(t.bad, all(SX_NAN), t.s);
  return t;
}

template <class T, bool Tempered>
static void index_tiles(const Problem& p, int64_t first, int64_t last, double* sums) {
  const int64_t V = p.classes;
  Tile tile;
  Ends ends;
  Scalar ce, z;
  for (int64_t n0 = first; n0 < last; n0 += kBatch) {
    ends.begin(n0);
    for (int64_t n = n0; n < n0 + kBatch && n < last; n += W) {
      const int rows = last - n < W ? (int)(last - n) : W;
      vd target = all(-1), w = all(0), r = all(0);
      for (int i = 0; i < rows; ++i) {
        if (p.ignored(n + i)) continue;
        const int64_t k = p.target[n + i];
        const bool known = k >= 0 && k < V;  // as in row_index.h
        target[i] = known ? (double)k : 0;
        w[i] = !known ? SX_NAN : p.weight ? p.weight[k] : 1.0;
        r[i] = p.row_factor(n + i);
      }
      const vl counts = target >= vd{};
      tile.read<T>(p.logits, n, rows, V);
      TileSums t = tile_sums<T, Tempered>(p, tile, target);
      if (p.op == Op::gradient)
        for (int i = 0; i < rows; ++i) t.s[i] = p.saved[2 * (n + i) + 1];
      for (int i = 0; i < rows; ++i) {
        if (counts[i]) push_row<T>(ends, p, n + i, (int64_t)target[i], t.m[i], t.s[i], t.gap[i], t.gap_lo[i], w[i], r[i]);
        else ends.push_ignored();
        if (p.saved && p.op == Op::loss) {
          p.saved[2 * (n + i)] = counts[i] ? t.m[i] : 0;
          p.saved[2 * (n + i) + 1] = counts[i] ? t.s[i] : 0;
        }
      }
      if (!p.out.data) continue;
      // gradient_scales of row_index.h, a row a lane
      const vd ce_scale = p.ce_factor * r * w, total = 1.0 + t.s;
      vd z_scale = vd{};
      if (p.z_loss != 0) z_scale = 2 * p.z_factor * r * p.z_loss * (t.m / p.temperature + log1p(t.s));
      const vd others = pick(t.target_is_max, t.s, 1.0 + (t.s - t.exp_target));
      const vd norm = Tempered ? total * p.temperature : total;
      const vd of_all = (ce_scale + z_scale) / norm;
      const vd at_target = (z_scale * t.exp_target - ce_scale * others) / norm + 0.0;
      for (int64_t k = 0; k < V; ++k) {
        vd g = pick(target == all((double)k), at_target, tile.x[k] * of_all);
        tile.x[k] = pick(counts, g, vd{});
      }
      tile.write<T>(p.out, n, rows, V);
    }
    finish_losses<is_exact<T>>(p, ends, ce, z);
  }
  sums[0] += ce.value();
  sums[1] += z.value();
}

}  // namespace softxent::SOFTXENT_NAMESPACE
