// The products for one instruction set: a micro-kernel of MR × 2 vectors that stay in registers, and the loops around it.
//
// All three products are C[i][j] += Σ_k a(i, k) b[k][j]: b is packed into panels of P items, two vectors wide, which stay in
// the first-level cache; a is broadcast item by item from where it lies. In `logits` the lanes are rows of X and a is W.
#pragma once
#include "products.h"
#include "vec.h"

namespace softxent::SOFTXENT_NAMESPACE {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTileRows = 12;  // of 32 registers: 24 sums, two of b, the rest broadcast
#else
constexpr int kTileRows = 6;   // of 16
#endif
constexpr int64_t kPanelBytes = 32768;  // a packed panel of b

// The type of sums and its vector.
template <class C> struct Summed;
template <> struct Summed<float> { typedef vw V; static constexpr int lanes = 2 * W; };
template <> struct Summed<double> { typedef vd V; static constexpr int lanes = W; };
template <class C> constexpr int panel = 2 * Summed<C>::lanes;                             // P
template <class C> constexpr int64_t depth = kPanelBytes / (panel<C> * (int64_t)sizeof(C));  // k of one panel: 256 with AVX-512

// Lines of memory to ask for ahead, a few at a time between the arithmetic: the weight comes from far away.
struct Ahead {
  const char* p = nullptr;
  int64_t stride = 0, lines = 0, line = 0, left = 0;
  Ahead() = default;
  Ahead(const char* data, int64_t down, int64_t rows, int64_t bytes)
      : p(data), stride(down), lines((bytes + 63) / 64), left(rows > 0 ? rows * lines : 0) {}
  SX_INLINE_MEMBER void step() {
    if (left <= 0) return;
    __builtin_prefetch(p + line * 64, 0, 2);
    if (++line == lines) {
      line = 0;
      p += stride;
    }
    --left;
  }
};

template <class V, class C> SX_INLINE V vector_at(const C* p) {
  V x;
  memcpy(&x, p, sizeof x);
  return x;
}

// C (R × P, rows ldc apart) = or += a b. kPackedA: a(i, k) = a[k·kTileRows + i], else a[i·lda + k]. The sum over this panel's
// k is complete before it is added, so that errors grow with the panels' length plus their number, not the product.
template <class C, int R, bool kPackedA>
SX_INLINE void multiply_tile(const C* __restrict a, int64_t lda, const C* __restrict b, int64_t k_end, C* __restrict c, int64_t ldc,
                             bool add, Ahead& first, Ahead& second) {
  typedef typename Summed<C>::V V;
  constexpr int L = Summed<C>::lanes, P = panel<C>;
  V low[R], high[R];  // without the pragmas GCC 12 keeps these in memory: 60 instead of 130 GFLOP/s
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) low[i] = high[i] = V{};
  for (int64_t k0 = 0; k0 < k_end; k0 += 8) {
    first.step();
    first.step();
    second.step();
    const int64_t k1 = k0 + 8 < k_end ? k0 + 8 : k_end;
    for (int64_t k = k0; k < k1; ++k) {
      const V x = vector_at<V>(b + k * P), y = vector_at<V>(b + k * P + L);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i) {
        const V z = (kPackedA ? a[k * kTileRows + i] : a[i * lda + k]) - V{};
        low[i] = fma(z, x, low[i]);
        high[i] = fma(z, y, high[i]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
    C* to = c + i * ldc;
    const V x = add ? vector_at<V>(to) + low[i] : low[i], y = add ? vector_at<V>(to + L) + high[i] : high[i];
    memcpy(to, &x, sizeof x);
    memcpy(to + L, &y, sizeof y);
  }
}

// The same for any number of rows of a, and for fewer than P columns of C.
template <class C, bool kPackedA>
static void multiply(const C* a, int64_t lda, int64_t rows, const C* b, int64_t k_end, C* c, int64_t ldc, int64_t columns, bool add,
                     Ahead& first, Ahead& second) {
  constexpr int P = panel<C>, R = kTileRows;
  if (columns < P) {  // through a whole tile
    alignas(64) C whole[R * P];
    for (int64_t i = 0; i < rows; i += R) {
      const int64_t n = rows - i < R ? rows - i : R;
      for (int64_t r = 0; r < n && add; ++r) memcpy(whole + r * P, c + (i + r) * ldc, columns * sizeof(C));
      multiply<C, kPackedA>(a + (kPackedA ? i * k_end : i * lda), lda, n, b, k_end, whole, P, P, add, first, second);
      for (int64_t r = 0; r < n; ++r) memcpy(c + (i + r) * ldc, whole + r * P, columns * sizeof(C));
    }
    return;
  }
  int64_t i = 0;
  for (; i + R <= rows; i += R)
    multiply_tile<C, R, kPackedA>(a + (kPackedA ? i * k_end : i * lda), lda, b, k_end, c + i * ldc, ldc, add, first, second);
  const C* rest = a + (kPackedA ? i * k_end : i * lda);
  for (; i + 3 <= rows; i += 3, rest += kPackedA ? 3 : 3 * lda)
    multiply_tile<C, 3, kPackedA>(rest, lda, b, k_end, c + i * ldc, ldc, add, first, second);
  for (; i < rows; ++i, rest += kPackedA ? 1 : lda)
    multiply_tile<C, 1, kPackedA>(rest, lda, b, k_end, c + i * ldc, ldc, add, first, second);
}

// ---- packing ---------------------------------------------------------------------------------------------------------

template <class C, class T> SX_INLINE C item(const char* p) { return (C)get((const T*)p); }

template <class C, class T>
static void convert(const char* from, int64_t right, int64_t n, C* to) {
  if constexpr (sizeof(C) == sizeof(T)) {
    if (right == (int64_t)sizeof(T)) {
      memcpy(to, from, n * sizeof(T));
      return;
    }
  }
  int64_t i = 0;
  if constexpr (sizeof(C) == 4 && sizeof(T) == 2) {
    if (right == 2)
      for (; i + 2 * W <= n; i += 2 * W) store_wide(to + i, load_wide((const T*)from + i));
  }
  for (; i < n; ++i) to[i] = item<C, T>(from + i * right);
}

// n items of a row, converted.
template <class C>
SX_INLINE void convert_row(const Plane& m, int64_t row, int64_t column, int64_t n, C* to) {
  const char* from = m.at(row, column);
  switch (m.dtype) {
    case Dtype::f32: convert<C, float>(from, m.right, n, to); break;
    case Dtype::f64: convert<C, double>(from, m.right, n, to); break;
    case Dtype::bf16: convert<C, bf16>(from, m.right, n, to); break;
    case Dtype::f16: convert<C, f16>(from, m.right, n, to); break;
  }
}

// to[k][P] = rows k0 … k0+k_end of m, columns j0 … j0+P; zeros beyond the last column.
template <class C>
static void pack_rows(const Plane& m, int64_t k0, int64_t k_end, int64_t j0, C* to) {
  constexpr int64_t P = panel<C>;
  const int64_t n = m.columns - j0 < P ? m.columns - j0 : P;
  for (int64_t k = 0; k < k_end; ++k) {
    convert_row(m, k0 + k, j0, n, to + k * P);
    for (int64_t j = n; j < P; ++j) to[k * P + j] = 0;
  }
}

// to[k][P] = columns k of m, rows j0 … j0+P; zeros beyond the last row.
template <class C>
static void pack_columns(const Plane& m, int64_t j0, C* to) {
  constexpr int64_t P = panel<C>, B = 256;
  C row[B];
  for (int64_t j = 0; j < P; ++j)
    for (int64_t k0 = 0; k0 < m.columns; k0 += B) {
      const int64_t n = m.columns - k0 < B ? m.columns - k0 : B;
      if (j0 + j < m.rows) convert_row(m, j0 + j, k0, n, row);
      for (int64_t k = 0; k < n; ++k) to[(k0 + k) * P + j] = j0 + j < m.rows ? row[k] : 0;
    }
}

SX_INLINE int64_t whole(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
SX_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Whether items can be broadcast from where they lie.
template <class C> static bool lies_ready(const Plane& m) {
  return m.dtype == (sizeof(C) == 4 ? Dtype::f32 : Dtype::f64) && m.right == (int64_t)sizeof(C) && m.down % (int64_t)sizeof(C) == 0 &&
         reinterpret_cast<uintptr_t>(m.data) % sizeof(C) == 0;
}

// ---- Z = X Wᵀ + b: lanes are rows of X ----------------------------------------------------------------------------------

#if defined(__AVX512F__)
// 16 × 16 floats, transposed.
SX_INLINE void transpose(const float* from, float* to, int64_t down) {
  __m512 r[16], t[16];
  for (int i = 0; i < 16; ++i) r[i] = _mm512_load_ps(from + i * panel<float>);
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int h = 0; h < 2; ++h) {
      const __m512d a = _mm512_castps_pd(t[i + h]), b = _mm512_castps_pd(t[i + 2 + h]);
      r[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      r[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    _mm512_storeu_ps(to + i * down, _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88));
    _mm512_storeu_ps(to + (i + 8) * down, _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd));
  }
}
#endif

// Z[n0 + j][v0 + i] = t[i][j]; rows of Z `down` items apart.
template <class C>
static void store_transposed(const C* t, int64_t classes, int64_t rows, C* z, int64_t down) {
  constexpr int64_t P = panel<C>;
  for (int64_t i0 = 0; i0 < classes; i0 += 16)
    for (int64_t j0 = 0; j0 < rows; j0 += 16) {
      const int64_t i1 = least(i0 + 16, classes), j1 = least(j0 + 16, rows);
#if defined(__AVX512F__)
      if constexpr (sizeof(C) == 4)
        if (i1 - i0 == 16 && j1 - j0 == 16) {
          transpose(t + i0 * P + j0, z + j0 * down + i0, down);
          continue;
        }
#endif
      for (int64_t j = j0; j < j1; ++j)
        for (int64_t i = i0; i < i1; ++i) z[j * down + i] = t[i * P + j];
    }
}

template <class C> static void logits_block(const Product& p, int64_t block, const C* packed, char* scratch) {
  constexpr int64_t P = panel<C>, K = depth<C>, size = sizeof(C);
  C* t = (C*)scratch;
  C* converted = t + kClassBlock * P;
  const int64_t v0 = block * kClassBlock, classes = least(kClassBlock, p.classes - v0), down = p.out.down / size;
  const int64_t panels = whole(p.rows, P) / P, next = least(kClassBlock, p.classes - v0 - classes);
  const C* w[2];
  int64_t ldw[2];
  Ahead ahead[2];
  for (int term = 0; term < p.terms; ++term) {
    const Plane& m = p.w[term];
    if (lies_ready<C>(m)) {
      w[term] = (const C*)m.at(v0, 0);
      ldw[term] = m.down / size;
      ahead[term] = Ahead(m.at(v0 + classes, 0), m.down, next, p.features * size);
    } else {
      w[term] = converted + term * kClassBlock * p.features;
      ldw[term] = p.features;
      for (int64_t i = 0; i < classes; ++i) convert_row(m, v0 + i, 0, p.features, (C*)w[term] + i * p.features);
    }
  }
  for (int64_t b = 0; b < panels; ++b) {
    bool add = false;
    if (p.bias.data) {
      for (int64_t i = 0; i < classes; ++i) {
        C value;
        convert_row(p.bias, 0, v0 + i, 1, &value);
        for (int64_t j = 0; j < P; ++j) t[i * P + j] = value;
      }
      add = true;
    }
    // The lines of Z are asked for too: without it every store waits for its line.
    C* z = (C*)p.out.at(b * P, v0);
    const int64_t rows = least(P, p.rows - b * P);
    Ahead lines((const char*)z, p.out.down, rows, classes * size);
    for (int term = 0; term < p.terms; ++term)
      for (int64_t k = 0; k < p.features; k += K) {
        const C* x = packed + (term * panels + b) * P * p.features + k * P;
        multiply<C, false>(w[term] + k, ldw[term], classes, x, least(K, p.features - k), t, P, P, add, ahead[term], lines);
        add = true;
      }
    if (!add)
      for (int64_t i = 0; i < classes * P; ++i) t[i] = 0;
    store_transposed(t, classes, rows, z, down);
  }
}

// ---- dX = G W: lanes are features ------------------------------------------------------------------------------------

// A slice of the classes and a group of the features.
template <class C> static int64_t feature_groups(const Product& p) {
  return least(p.groups, whole(p.features, panel<C>) / panel<C>);
}
template <class C> static void input_piece(const Product& p, int64_t piece, C* sums, C* packed) {
  constexpr int64_t P = panel<C>, K = depth<C>, size = sizeof(C), kNear = K + 64 / size;
  C* near = packed + P * K;
  const int64_t slices = p.slices, groups = feature_groups<C>(p), panels = whole(p.features, P) / P;
  const int64_t slice = piece / groups, group = piece % groups;
  const int64_t v_first = p.classes * slice / slices / K * K;
  const int64_t v_last = slice + 1 == slices ? p.classes : p.classes * (slice + 1) / slices / K * K;
  const int64_t first = panels * group / groups, last = panels * (group + 1) / groups;
  C* out = slice ? sums + (slice - 1) * p.rows * p.features : (C*)p.out.data;
  const int64_t down = slice ? p.features : p.out.down / size;
  bool add = false;
  for (int term = 0; term < p.terms; ++term) {
    const Plane &w = p.w[term], &g = p.g[term];
    for (int64_t v = v_first; v < v_last; v += K) {
      const int64_t k = least(K, v_last - v), next = least(K, v_last - v - k);
      const int64_t bytes = (least(last * P, p.features) - first * P) * w.right;
      Ahead weight(w.at(v + k, first * P), w.down, bytes > 0 ? next : 0, bytes);
      // G’s rows lie far apart. Side by side they are found again for every panel: 105 → 131 GFLOP/s at 114 × 131 072.
      for (int64_t n = 0; n < p.rows; ++n) memcpy(near + n * kNear, g.at(n, v), k * size);
      Ahead gradient(g.at(0, v + k), g.down, next > 0 ? p.rows : 0, next * size);
      for (int64_t d = first; d < last; ++d) {
        pack_rows(w, v, k, d * P, packed);
        const int64_t columns = least(P, p.features - d * P);
        multiply<C, false>(near, kNear, p.rows, packed, k, out + d * P, down, columns, add, weight, gradient);
      }
      add = true;  // here, for a slice may have no classes
    }
  }
  if (!add)
    for (int64_t n = 0; n < p.rows; ++n)
      for (int64_t d = first * P; d < least(last * P, p.features); ++d) out[n * down + d] = 0;
}

// ---- dW += Gᵀ X: lanes are features ------------------------------------------------------------------------------------

template <class C> static void weight_block(const Product& p, int64_t block, const C* packed, C* turned) {
  constexpr int64_t P = panel<C>, K = depth<C>, R = kTileRows, size = sizeof(C);
  const int64_t v0 = block * kClassBlock, classes = least(kClassBlock, p.classes - v0), panels = whole(p.features, P) / P;
  const int64_t next = least(kClassBlock, p.classes - v0 - classes);
  bool add = p.add;
  for (int term = 0; term < p.terms; ++term) {
    const Plane& g = p.g[term];
    for (int64_t n = 0; n < p.rows; n += K) {
      const int64_t k = least(K, p.rows - n);
      // turned[i / R][k][R] = G[n + k][v0 + i]
      for (int64_t r = 0; r < k; ++r) {
        const C* row = (const C*)g.at(n + r, v0);
        for (int64_t i = 0; i < classes; i += R)
          for (int64_t j = 0; j < R; ++j) turned[i * k + r * R + j] = i + j < classes ? row[i + j] : 0;
        if (p.column_sums && term == 0)
          for (int64_t i = 0; i < classes; ++i) p.column_sums[v0 + i] += row[i];
      }
      if (!p.out.data) continue;
      Ahead gradient(g.at(n, v0 + classes), g.down, next > 0 ? k : 0, next * size);
      for (int64_t i = 0; i < classes; i += R) {
        const int64_t rows = least(R, classes - i);
        Ahead lines(p.out.at(v0 + i + rows, 0), p.out.down, least(R, p.classes - v0 - i - rows), p.features * size);
        for (int64_t d = 0; d < panels; ++d) {
          const C* x = packed + ((term * panels + d) * p.rows + n) * P;
          multiply<C, true>(turned + i * k, 0, rows, x, k, (C*)p.out.at(v0 + i, d * P), p.out.down / size,
                         least(P, p.features - d * P), add, gradient, lines);
        }
      }
      add = true;
    }
  }
  if (!add && p.out.data)
    for (int64_t i = 0; i < classes; ++i) memset(p.out.at(v0 + i, 0), 0, p.features * size);
}

// ---- the table ---------------------------------------------------------------------------------------------------------

template <class C> struct Products {
  static constexpr int64_t P = panel<C>, size = sizeof(C);

  static int64_t share(const Product& p) {
    switch (p.kind) {
      case ProductKind::logits: return p.terms * whole(p.rows, P) * p.features * size;
      case ProductKind::input: return (p.slices - 1) * p.rows * p.features * size;
      default: return p.terms * p.rows * whole(p.features, P) * size;
    }
  }
  static int64_t scratch(const Product& p) {
    switch (p.kind) {
      case ProductKind::logits: {
        bool ready = true;
        for (int i = 0; i < p.terms; ++i) ready = ready && lies_ready<C>(p.w[i]);
        return kClassBlock * (P + (ready ? 0 : p.terms * p.features)) * size;
      }
      case ProductKind::input: return kPanelBytes + p.rows * (depth<C> + 64 / size) * size;
      default: return (kClassBlock + kTileRows) * depth<C> * size;
    }
  }
  static int64_t blocks(const Product& p) { return (p.classes + kClassBlock - 1) / kClassBlock; }
  static int64_t pieces(const Product& p) {
    if (p.kind == ProductKind::input) return p.slices * feature_groups<C>(p);
    return (blocks(p) + p.run - 1) / p.run;
  }
  // Panels of X: of P rows for the logits, of P features for the weight.
  static int64_t panels(const Product& p) {
    if (p.kind == ProductKind::input || !p.out.data) return 0;
    return p.terms * whole(p.kind == ProductKind::logits ? p.rows : p.features, P) / P;
  }
  static void prepare(const Product& p, int64_t i, char* share) {
    const int64_t each = panels(p) / p.terms, term = i / each, j = i % each * P;
    if (p.kind == ProductKind::logits) pack_columns(p.x[term], j, (C*)share + i * P * p.features);
    else pack_rows(p.x[term], 0, p.rows, j, (C*)share + i * P * p.rows);
  }
  static void piece(const Product& p, int64_t i, char* share, char* scratch) {
    if (p.kind == ProductKind::input) return input_piece<C>(p, i, (C*)share, (C*)scratch);
    for (int64_t block = i * p.run; block < least((i + 1) * p.run, blocks(p)); ++block) {
      if (p.kind == ProductKind::logits) logits_block<C>(p, block, (const C*)share, scratch);
      else weight_block<C>(p, block, (const C*)share, (C*)scratch);
    }
  }
  static void finish(const Product& p, char* share) {
    if (p.kind != ProductKind::input) return;
    const C* sums = (const C*)share;
    for (int s = 1; s < p.slices; ++s, sums += p.rows * p.features)
      for (int64_t n = 0; n < p.rows; ++n) {
        C* out = (C*)p.out.at(n, 0);
        for (int64_t d = 0; d < p.features; ++d) out[d] += sums[n * p.features + d];
      }
  }
};

#define SX_BY_TYPE(name) return p.sum == Dtype::f64 ? Products<double>::name : Products<float>::name
static int64_t product_share(const Product& p) { SX_BY_TYPE(share(p)); }
static int64_t product_scratch(const Product& p) { SX_BY_TYPE(scratch(p)); }
static int64_t product_pieces(const Product& p) { SX_BY_TYPE(pieces(p)); }
static int64_t product_panels(const Product& p) { SX_BY_TYPE(panels(p)); }
static void product_prepare(const Product& p, int64_t i, char* share) { SX_BY_TYPE(prepare(p, i, share)); }
static void product_piece(const Product& p, int64_t i, char* share, char* scratch) { SX_BY_TYPE(piece(p, i, share, scratch)); }
static void product_finish(const Product& p, char* share) { SX_BY_TYPE(finish(p, share)); }
#undef SX_BY_TYPE

static const ProductKernels product_kernels = {product_share, product_scratch, product_pieces, product_panels, product_prepare,
                                               product_piece, product_finish};

}  // namespace softxent::SOFTXENT_NAMESPACE
