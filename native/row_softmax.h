// softmax, log-softmax and log-sum-exp without softcap, by rows and by tiles.
//
//   y_k = e^{a_k − a_max}/(1 + s),   log y_k = (a_k − a_max) − log1p(s),   lse = a_max + log1p(s)
#pragma once
#include "tile.h"

namespace softxent::SOFTXENT_NAMESPACE {

template <class T, bool Tempered>
SX_INLINE void softmax_row(const Problem& p, int64_t n, T* row_scratch, Kept<T>* kept, const Blocks& blocks) {
  constexpr bool exact = is_exact<T>;
  const int64_t V = p.classes;
  const T* z = contiguous_row(p.logits, n, V, row_scratch);
  T* out = p.out.data ? writable_row(p.out, n, row_scratch) : nullptr;
  const RowSums sums = p.op == Op::softmax ? row_sums<T, Tempered, true>(z, blocks, p.temperature, kept, p.stream ? z : out)
                                           : row_sums<T, Tempered, false>(z, blocks, p.temperature, kept, z);
  const double m = sums.m, s = is_finite(m) ? sums.s : SX_NAN;
  const Shift shift(m, p.temperature);
  if (p.op == Op::logsumexp) return write_row(p.per_row, exact, n, m / p.temperature + log1p(all(s))[0]);
  if (!(s == s)) {
    fill_row(out, V, SX_NAN);
  } else if (p.op == Op::softmax) {
    blocks.each([&](int64_t b, int64_t from, int64_t to) {
      scale_span<T>(kept, from, to, blocks.parts[b].factor / (1 + s), out, p.stream);
    });
  } else {
    const vd log_s = log1p(all(s));
    blocks.each([&](int64_t, int64_t from, int64_t to) {
      for (int64_t i = from; i < to; i += W) {
        Pair a = shifted<exact, Tempered>(load_up_to(z + i, to - i), shift);
        store_up_to(out + i, a.hi - (log_s - a.lo), to - i);
      }
    });
  }
  finish_row(p.out, n, V, out);
}

template <class T, bool Tempered>
static void softmax_rows(const Problem& p, int64_t first, int64_t last, char* scratch, const Parallel& parallel) {
  const Blocks blocks = blocks_in(scratch, p.classes, parallel);
  Kept<T>* kept = (Kept<T>*)(scratch + blocks_bytes(p.classes));
  T* row_scratch = (T*)(kept + padded(p.classes));
  for (int64_t n = first; n < last; ++n) softmax_row<T, Tempered>(p, n, row_scratch, kept, blocks);
}

template <class T, bool Tempered> static void softmax_tiles(const Problem& p, int64_t first, int64_t last) {
  Tile tile(p.classes);
  for (int64_t n = first; n < last; n += W) {
    const int rows = last - n < W ? (int)(last - n) : W;
    tile.read<T>(p.logits, n, rows);
    TileSums t = tile_sums<T, Tempered>(p, tile, all(-1), p.op == Op::log_softmax);
    const vd log_s = log1p(t.s);
    if (p.op == Op::logsumexp) {
      const vd lse = t.m / p.temperature + log_s;
      for (int i = 0; i < rows; ++i) write_row(p.per_row, is_exact<T>, n + i, lse[i]);
      continue;
    }
    for (int64_t k = 0; k < p.classes; ++k)
      tile.x[k] = p.op == Op::softmax ? tile.x[k] * (1 / (1 + t.s)) : tile.x[k] - log_s;
    tile.write<T>(p.out, n, rows);
  }
}

}  // namespace softxent::SOFTXENT_NAMESPACE
