// Few classes: W rows at a time, one row a lane, so that nothing is ever summed across lanes. The road of every
// V ≤ kTinyClasses, for softmax and for the loss of class indices. Rows left over run the same arithmetic, padded.
#pragma once
#include "row_index.h"

namespace softxent::SOFTXENT_NAMESPACE {

constexpr int64_t kTinyClasses = 24;

// W rows of V elements, class by class: x[k] holds class k of all rows.
struct Tile {
  vd x[kTinyClasses];
  vd buffer[kTinyClasses];
  vl from_columns[kTinyClasses];  // where element j of the rows, one after the other, stands in x: (j mod V)·W + j/V
  int64_t V;

  explicit Tile(int64_t classes) : V(classes) {
    for (int64_t k = 0; k < V; ++k)
      for (int i = 0; i < W; ++i) from_columns[k][i] = (k * W + i) % V * W + (k * W + i) / V;
  }

  template <class T> static bool is_plain(const Matrix& a, int rows, int64_t V) {
    return rows == W && a.axes == 1 && a.class_stride == (int64_t)sizeof(T) && a.stride[0] == V * (int64_t)sizeof(T);
  }

  template <class T> SX_INLINE_MEMBER void read(const Matrix& a, int64_t n, int rows) {
    const T* p = (const T*)a.row(n);
    T gathered[kTinyClasses * W];
    if (!is_plain<T>(a, rows, V)) {
      memset(gathered, 0, sizeof gathered);
      for (int r = 0; r < rows; ++r) {
        const char* q = a.row(n + r);
        for (int64_t k = 0; k < V; ++k, q += a.class_stride) memcpy(gathered + r * V + k, q, sizeof(T));
      }
      p = gathered;
    }
    for (int64_t k = 0; k < V; ++k) buffer[k] = load(p + k * W);
    for (int64_t k = 0; k < V; ++k) x[k] = gather((const double*)buffer + k, V);
  }

  template <class T> SX_INLINE_MEMBER void write(const Matrix& a, int64_t n, int rows) {
    if (is_plain<T>(a, rows, V)) {
      T* p = (T*)a.row(n);
      for (int64_t k = 0; k < V; ++k) store(p + k * W, gather_at((const double*)x, from_columns[k]));
      return;
    }
    for (int r = 0; r < rows; ++r) {
      char* q = a.row(n + r);
      for (int64_t k = 0; k < V; ++k, q += a.class_stride) {
        T one;
        put(&one, x[k][r]);
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

// Targets and factors of W rows.
struct TileRows {
  vd target = all(-1), w = vd{}, r = vd{};  // −1: ignored, or past the last row
  vl counts;

  TileRows(const Problem& p, int64_t n, int rows) {
    if (rows == W && !p.weight && !p.row_weight && !p.upstream) {
      vl k;
      memcpy(&k, p.target + n, sizeof k);
      counts = k != p.ignore_index;
      const vd number = __builtin_convertvector(k, vd);
      const vl known = (number >= vd{}) & (number < all((double)p.classes));
      // bits rather than pick: GCC 12 fails on a choice by a comparison of integers (gimple_expand_vec_cond_expr)
      target = (vd)((bits(number) & known & counts) | (bits(target) & ~counts));
      w = (vd)((bits(pick(known, all(1), all(SX_NAN)))) & counts);  // as in row_index.h
      r = (vd)(bits(all(1)) & counts);
      return;
    }
    for (int i = 0; i < rows; ++i) {
      const int64_t k = p.target[n + i];
      if (k == p.ignore_index) continue;
      const bool known = k >= 0 && k < p.classes;
      target[i] = known ? (double)k : 0;
      w[i] = !known ? SX_NAN : p.weight ? p.weight[k] : 1.0;
      r[i] = p.row_factor(n + i);
    }
    counts = target >= vd{};
  }
};

template <class T, bool Tempered>
static void index_tiles(const Problem& p, int64_t first, int64_t last, double* sums) {
  Tile tile(p.classes);
  Ends ends;
  Sum<true> ce, z;
  for (int64_t n0 = first; n0 < last; n0 += kBatch) {
    ends.begin(n0);
    for (int64_t n = n0; n < n0 + kBatch && n < last; n += W) {
      const int rows = last - n < W ? (int)(last - n) : W;
      const TileRows of(p, n, rows);
      tile.read<T>(p.logits, n, rows);
      TileSums t = tile_sums<T, Tempered>(p, tile, of.target);
      if (p.op == Op::gradient)
        for (int i = 0; i < rows; ++i) t.s[i] = p.saved[2 * (n + i) + 1];
      ends.push_lanes(of.counts, t.m, t.s, t.gap, t.gap_lo, of.w, of.r, rows);
      if constexpr (is_exact<T>)
        for (int i = ends.count - rows; i < ends.count; ++i) mend_overflow<T>(ends, i, p);
      if (p.saved && p.op == Op::loss)
        for (int i = 0; i < rows; ++i) {
          p.saved[2 * (n + i)] = of.counts[i] ? t.m[i] : 0;
          p.saved[2 * (n + i) + 1] = of.counts[i] ? t.s[i] : 0;
        }
      if (!p.out.data) continue;
      // gradient_scales of row_index.h, a row a lane
      const vd ce_scale = p.ce_factor * of.r * of.w, total = 1.0 + t.s;
      vd z_scale = vd{};
      if (p.z_loss != 0) z_scale = 2 * p.z_factor * of.r * p.z_loss * (t.m / p.temperature + log1p(t.s));
      const vd others = pick(t.target_is_max, t.s, 1.0 + (t.s - t.exp_target));
      const vd norm = Tempered ? total * p.temperature : total;
      const vd of_all = (ce_scale + z_scale) / norm;
      const vd at_target = (z_scale * t.exp_target - ce_scale * others) / norm + 0.0;
      for (int64_t k = 0; k < p.classes; ++k) {
        const vd g = pick(of.target == all((double)k), at_target, tile.x[k] * of_all);
        tile.x[k] = pick(of.counts, g, vd{});
      }
      tile.write<T>(p.out, n, rows);
    }
    finish_losses<is_exact<T>>(p, ends, ce, z);
  }
  add_sums(sums, ce, z);
}

}  // namespace softxent::SOFTXENT_NAMESPACE
