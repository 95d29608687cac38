// One row, in phases: find the maximum, sum the others' exponentials, hand on. Shared by every operation.
//
// A long row is walked in blocks of kRowBlock elements, whose sums are added in order: the same bits whether one thread
// walks them or many.
#pragma once
#include "explog.h"

namespace softxent::SOFTXENT_NAMESPACE {

template <class T> constexpr bool is_exact = sizeof(T) == 8;  // float64 needs the errors carried; the others fit inside it

template <class T> struct KeptType { using type = float; };   // e^{a−m} between the passes; float32 adds 0.5 ULP of its own
template <> struct KeptType<double> { using type = double; };
template <class T> using Kept = typename KeptType<T>::type;

// What the second pass reads: bfloat16 and float16 are widened by the first.
template <class T> struct RowType { using type = float; };
template <> struct RowType<double> { using type = double; };
template <class T> using Row = typename RowType<T>::type;

constexpr int kPartials = 4;  // sums that one pass over a row may make

SX_INLINE int64_t block_count(int64_t classes) { return (classes + kRowBlock - 1) / kRowBlock; }
SX_INLINE int64_t padded(int64_t n) { return (n + 2 * W - 1) / (2 * W) * (2 * W); }

struct BlockPart;

struct Blocks {
  const Parallel& parallel;
  int64_t classes;
  Scalar* partial;   // kPartials a block
  BlockPart* parts;  // one a block

  // body(block, from, to) for every block
  template <class F> SX_INLINE_MEMBER void each(F body) const {
    if (classes <= kRowBlock) return body(0, 0, classes);
    struct Call { F* body; int64_t classes; } call{&body, classes};
    parallel.run(parallel.self, block_count(classes), [](void* context, int64_t b) {
      Call& c = *static_cast<Call*>(context);
      int64_t from = b * kRowBlock, to = from + kRowBlock;
      (*c.body)(b, from, to < c.classes ? to : c.classes);
    }, &call);
  }

  // body(from, to, Scalar* sums) adds K sums of its block; their totals, in the order of the blocks
  template <int K, class F> SX_INLINE_MEMBER void sum(Scalar (&totals)[K], F body) const {
    if (classes <= kRowBlock) return body(0, classes, totals);
    each([&](int64_t b, int64_t from, int64_t to) {
      Scalar sums[K];
      body(from, to, sums);
      for (int k = 0; k < K; ++k) partial[b * kPartials + k] = sums[k];
    });
    for (int64_t b = 0; b < block_count(classes); ++b)
      for (int k = 0; k < K; ++k) {
        totals[k].add(partial[b * kPartials + k].s);
        totals[k].e += partial[b * kPartials + k].e;
      }
  }
};

// m = max_k z_k; −∞ where all are NaN. A NaN is passed over here and shows in the sum.
template <class T> SX_INLINE double max_span(const T* z, int64_t from, int64_t to) {
  vd a = all(-kInf), b = a;
  int64_t i = from;
  if constexpr (is_exact<T>) {
    for (; i + 2 * W <= to; i += 2 * W) {
      a = max_keep_nan(load(z + i), a);
      b = max_keep_nan(load(z + i + W), b);
    }
  } else {
    vw c = vw{} - __builtin_inff(), d = c;
    for (; i + 4 * W <= to; i += 4 * W) {
      c = max_wide(load_wide(z + i), c);
      d = max_wide(load_wide(z + i + 2 * W), d);
    }
    c = max_wide(c, d);
    a = widen(low_half(c));
    b = widen(high_half(c));
  }
  for (; i < to; i += W) a = max_keep_nan(load_up_to(z + i, to - i), a);
  return max_lanes(max_keep_nan(a, b));
}

// The same of a 16-bit row, which goes to `to_floats` on the way.
template <class T> SX_INLINE double widen_span(const T* z, int64_t from, int64_t to, float* to_floats) {
  vw c = vw{} - __builtin_inff();
  int64_t i = from;
  for (; i + 2 * W <= to; i += 2 * W) {
    const vw x = load_wide(z + i);
    store_wide(to_floats + i, x);
    c = max_wide(x, c);
  }
  vd a = max_keep_nan(widen(low_half(c)), widen(high_half(c)));
  for (; i < to; i += W) {
    const vd x = load_up_to(z + i, to - i);
    store(to_floats + i, x);
    a = max_keep_nan(x, a);
  }
  return max_lanes(a);
}

// The first k with z_k = m; `from` where there is none (all NaN).
template <class T> SX_INLINE int64_t first_equal(const T* z, int64_t from, int64_t to, double m) {
  for (int64_t i = from; i < to; i += W) {
    unsigned found = equal_lanes(load_up_to(z + i, to - i), all(m));
    if (found) return i + __builtin_ctz(found);
  }
  return from;
}

// a_k − a_max = (z_k − m)/T as hi + lo (lo only where Exact): shift by the maximum first, divide after, so that nothing
// is lost at large offsets: softmax(z/T) is 10^4 ULP off at an offset of 10^4.
struct Shift {
  double m, temperature, inverse, pre;
  Shift(double max, double t) : m(max), temperature(t), inverse(1 / t), pre(1) {
    if (t != 1 && __builtin_fabs(m) > 0x1p1020) {  // z − m would overflow where (z − m)/T may not
      pre = 0.25;
      m *= pre;
      temperature *= pre;
    }
  }
};

template <bool Exact, bool Tempered> SX_INLINE Pair shifted(vd z, const Shift& c) {
  if constexpr (!Exact) return {Tempered ? (z - c.m) * c.inverse : z - c.m, vd{}};
  if constexpr (Tempered) z = z * c.pre;
  Pair d = two_sum(z, all(-c.m));
  vl finite = d.hi > all(-0x1.fffffffffffffp1023);      // −∞ − m has no error term
  d.lo = pick(finite, d.lo, vd{});
  if constexpr (!Tempered) return d;
  vd q = d.hi / c.temperature;
  Pair back = two_product(q, all(c.temperature));
  vd rest = (d.hi - back.hi) - back.lo + d.lo;           // d = q·T + rest
  // q·T is not exact where it over- or underflows; there the rest is below what exp can see
  vl safe = (q > all(-0x1p900)) & (back.hi < all(-0x1p-900));
  return {q, pick(safe, rest / c.temperature, vd{})};
}

template <bool Exact> SX_INLINE vd exp_shifted(Pair x) {
  if constexpr (Exact) return exp_exact(x.hi, x.lo);
  else return exp_short(x.hi);
}

// Σ e^{a_k − a_argmax} over the block's k but argmax, whose own 1 would drown the rest. Keep stores each e. What the next
// block or row will read, and what this one will write, is asked for on the way: memory then works while the lanes do.
template <class T, bool Tempered, bool Keep, class Next>
SX_INLINE double exp_span(const T* z, int64_t from, int64_t to, const Shift& shift, int64_t argmax, Kept<T>* kept, const Next* next,
                          const Next* out) {
  Sum<is_exact<T>> a, b;
  auto one = [&](vd x, int64_t i) {
    vd e = exp_shifted<is_exact<T>>(shifted<is_exact<T>, Tempered>(x, shift));
    if constexpr (Keep) store(kept + i, e);
    return e;
  };
  auto others = [&](vd e, int64_t i) { return pick(lanes((double)i) == all((double)argmax), vd{}, e); };
  const int64_t hole = from + (argmax - from) / (2 * W) * (2 * W);
  int64_t i = from;
  for (; i + 2 * W <= to; i += 2 * W) {
    __builtin_prefetch(next + i);
    __builtin_prefetch(out + i);
    vd x, y;
    load_pair(z + i, x, y);
    x = one(x, i);
    y = one(y, i + W);
    if (__builtin_expect(i == hole, 0)) {
      x = others(x, i);
      y = others(y, i + W);
    }
    a.add(x);
    b.add(y);
  }
  for (; i < to; i += W) a.add(others(one(load_up_to(z + i, to - i), i), i));
  Scalar s;
  add_lanes(s, a, b);
  return s.value();
}

// One block of a row by itself, so that a long row is read from memory once: its maximum, and the others' sum and the
// kept exponentials relative to that. `factor` e^{max − m} brings them to the row's maximum m.
struct BlockPart {
  double max, sum, factor;
  int64_t argmax;
};

struct RowSums {
  double m, s;
  int64_t argmax;
};

template <class T, bool Tempered, bool Keep>
SX_INLINE RowSums row_sums(const T* z, const Blocks& blocks, double temperature, Kept<T>* kept, const T* out) {
  auto sums_of = [&](const Row<T>* x, double m, int64_t from, int64_t to) {
    const int64_t argmax = first_equal(x, from, to, m);
    const Shift shift(m == -kInf ? 0 : m, temperature);  // all −∞: every e is 0; a NaN among them shows in the sum
    return BlockPart{m, exp_span<Row<T>, Tempered, Keep>(x, from, to, shift, argmax, kept, z + (to - from), out), 1, argmax};
  };
  auto part = [&](int64_t from, int64_t to) {
    if constexpr (sizeof(T) == 2) {  // widened once, on the first pass
      const double m = widen_span(z, from, to, kept);
      return sums_of((const float*)kept, m, from, to);
    } else {
      return sums_of(z, max_span(z, from, to), from, to);
    }
  };
  if (blocks.classes <= kRowBlock) {
    const BlockPart only = part(0, blocks.classes);
    blocks.parts[0].factor = 1;
    return {only.max, only.sum, only.argmax};
  }
  blocks.each([&](int64_t b, int64_t from, int64_t to) { blocks.parts[b] = part(from, to); });
  const int64_t count = block_count(blocks.classes);
  int64_t top = 0;
  for (int64_t b = 1; b < count; ++b)
    if (blocks.parts[b].max > blocks.parts[top].max) top = b;
  const Shift shift(blocks.parts[top].max, temperature);
  Scalar s;
  for (int64_t b = 0; b < count; ++b) {
    BlockPart& p = blocks.parts[b];
    p.factor = b == top ? 1 : exp_shifted<is_exact<T>>(shifted<is_exact<T>, Tempered>(all(p.max), shift))[0];
    s.add(p.factor * p.sum);
    if (b != top) s.add(p.factor);  // its own maximum's 1
  }
  return {blocks.parts[top].max, s.value(), blocks.parts[top].argmax};
}

// out = e·factor, no NaN among them. float32 times float32: one more rounding, a quarter of float64's instructions.
// `stream`: past the caches (see stream_wide). Every element is computed the same way wherever it stands.
template <class T>
SX_INLINE void scale_span(const Kept<T>* kept, int64_t from, int64_t to, double factor, T* out, bool stream) {
  constexpr int step = is_exact<T> ? W : 2 * W;
  const auto scaled = [&](int64_t i) {
    if constexpr (is_exact<T>) return load(kept + i) * factor; else return load_wide(kept + i) * (float)factor;
  };
  const auto some = [&](int64_t i, int64_t n) {  // fewer than `step`
    if constexpr (is_exact<T>) {
      store_some(out + i, scaled(i), n);
    } else {
      const vw x = scaled(i);
      if (n >= W) store(out + i, low_half(x)); else return store_some(out + i, low_half(x), n);
      if (n > W) store_some(out + i + W, high_half(x), n - W);
    }
  };
  int64_t i = from;
  if (kStreams && stream) {
    const uintptr_t bytes = step * sizeof(T), beyond = (uintptr_t)(out + i) % bytes;
    if (beyond % sizeof(T) == 0) {
      const int64_t head = beyond ? (int64_t)((bytes - beyond) / sizeof(T)) : 0;
      if (head && head < to - i) {
        some(i, head);
        i += head;
      }
      if (!head || i > from)
        for (; i + step <= to; i += step) stream_wide(out + i, scaled(i));
    }
  }
  for (; i + step <= to; i += step) {
    if constexpr (is_exact<T>) store(out + i, scaled(i)); else store_wide(out + i, scaled(i));
  }
  if (i < to) some(i, to - i);
}

// The blocks' own memory, at the start of a thread's scratch.
SX_INLINE int64_t blocks_bytes(int64_t classes) {
  return block_count(classes) * (int64_t)(kPartials * sizeof(Scalar) + sizeof(BlockPart));
}
SX_INLINE Blocks blocks_in(char* scratch, int64_t classes, const Parallel& parallel) {
  Scalar* partial = (Scalar*)scratch;
  return {parallel, classes, partial, (BlockPart*)(partial + block_count(classes) * kPartials)};
}

SX_INLINE bool is_finite(double x) { return __builtin_fabs(x) < kInf; }

// ---- strided rows: gathered into scratch, scattered back ----------------------------------------------------------------

template <class T> SX_INLINE const T* contiguous_row(const Matrix& a, int64_t n, int64_t classes, T* scratch) {
  const char* p = a.row(n);
  if (a.class_stride == (int64_t)sizeof(T)) return (const T*)p;
  for (int64_t k = 0; k < classes; ++k, p += a.class_stride) memcpy(scratch + k, p, sizeof(T));
  return scratch;
}
template <class T> SX_INLINE T* writable_row(const Matrix& a, int64_t n, T* scratch) {
  return a.class_stride == (int64_t)sizeof(T) ? (T*)a.row(n) : scratch;
}
template <class T> SX_INLINE void finish_row(const Matrix& a, int64_t n, int64_t classes, const T* row) {
  char* p = a.row(n);
  if ((const char*)row == p) return;
  for (int64_t k = 0; k < classes; ++k, p += a.class_stride) memcpy(p, row + k, sizeof(T));
}
template <class T> SX_INLINE void fill_row(T* out, int64_t classes, double x) {
  for (int64_t k = 0; k < classes; k += W) store_up_to(out + k, all(x), classes - k);
}

// A row of any of the four types as float64, zeros behind it up to padded(V).
template <class T> SX_INLINE void widen_row(const Matrix& a, int64_t n, int64_t classes, double* to) {
  const char* p = a.row(n);
  if (a.class_stride == (int64_t)sizeof(T)) {
    for (int64_t k = 0; k < classes; k += W) store(to + k, load_up_to((const T*)p + k, classes - k));
  } else {
    for (int64_t k = 0; k < classes; ++k, p += a.class_stride) to[k] = get((const T*)p);
  }
  for (int64_t k = classes; k < padded(classes); ++k) to[k] = 0;
}
SX_INLINE void widen_any(const Matrix& a, int64_t n, int64_t classes, double* to) {
  switch (a.dtype) {
    case Dtype::f32: return widen_row<float>(a, n, classes, to);
    case Dtype::f64: return widen_row<double>(a, n, classes, to);
    case Dtype::bf16: return widen_row<bf16>(a, n, classes, to);
    case Dtype::f16: return widen_row<f16>(a, n, classes, to);
  }
}

// W of the V class weights from i on, zeros behind them.
SX_INLINE vd load_weights(const double* weight, int64_t i, int64_t classes) {
  if (i + W <= classes) return load(weight + i);
  double some[W] = {};
  memcpy(some, weight + i, (classes - i) * sizeof(double));
  return load(some);
}

}  // namespace softxent::SOFTXENT_NAMESPACE
