// Lanes of float64 for one instruction set, and what they need to load, store and round the four storage types.
//
// Compiled once per instruction set: the including file names the namespace, the compiler's flags choose the width.
// Types are the compiler's own vectors, so + − * / and comparisons are the plain operators; what differs between
// instruction sets is here and only here.
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#include "rows.h"

namespace softxent::SOFTXENT_NAMESPACE {

#define SX_INLINE static inline __attribute__((always_inline))
#define SX_INLINE_MEMBER inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int W = 8;
#elif defined(__AVX2__)
constexpr int W = 4;
#else
constexpr int W = 2;
#endif

typedef double vd __attribute__((vector_size(W * 8)));
typedef long long vl __attribute__((vector_size(W * 8)));      // also the type of a comparison: −1 true, 0 false
typedef float vf __attribute__((vector_size(W * 4)));
typedef float vw __attribute__((vector_size(W * 8)));          // 2W floats: a whole register, where float32 is enough
typedef int vi __attribute__((vector_size(W * 4)));
typedef unsigned short vh __attribute__((vector_size(W * 2)));

struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };

constexpr double kInf = __builtin_inf();
#define SX_NAN __builtin_nan("")

SX_INLINE vd all(double x) { return x - vd{}; }
SX_INLINE vd pick(vl condition, vd yes, vd no) { return condition ? yes : no; }
SX_INLINE vl bits(vd x) { return (vl)x; }
SX_INLINE vd lanes(double first) {  // first, first + 1, …
  vd x;
  for (int i = 0; i < W; ++i) x[i] = first + i;
  return x;
}

// a·b + c: one rounding where the machine has fma, else two. kFused says which.
#if defined(__AVX512F__)
constexpr bool kFused = true;
SX_INLINE vd fma(vd a, vd b, vd c) { return (vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
#elif defined(__FMA__)
constexpr bool kFused = true;
SX_INLINE vd fma(vd a, vd b, vd c) { return (vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
#elif defined(__aarch64__)
constexpr bool kFused = true;
SX_INLINE vd fma(vd a, vd b, vd c) { return (vd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
#else
constexpr bool kFused = false;
SX_INLINE vd fma(vd a, vd b, vd c) { return a * b + c; }
#endif

SX_INLINE vw fma(vw a, vw b, vw c) {
#if defined(__AVX512F__)
  return (vw)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (vw)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (vw)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

// a > b ? a : b, so that a NaN in b stays.
SX_INLINE vd max_keep_nan(vd a, vd b) {
#if defined(__AVX512F__)
  return (vd)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
  return (vd)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
  return (vd)_mm_max_pd((__m128d)a, (__m128d)b);
#else
  return pick(a > b, a, b);
#endif
}

// 2^n for integral n in [−1022, 1023].
SX_INLINE vd exp2_int(vd n) {
  const vd shift = all(0x1.8p52);  // puts the integer into the low bits of the mantissa
  return (vd)((bits(n + shift) + 1023) << 52);
}

// p·2^n for integral n in [−2000, 1000], p near 1: exact but for one rounding where the result is subnormal.
SX_INLINE vd scale(vd p, vd n) {
#if defined(__AVX512F__)
  return (vd)_mm512_scalef_pd((__m512d)p, (__m512d)n);
#else
  vd first = max_keep_nan(all(-1000.0), n);
  vd second = max_keep_nan(all(-1000.0), n - first);
  return p * exp2_int(first) * exp2_int(second);
#endif
}

// ---- the four storage types: load W as float64, store W with one rounding --------------------------------------------

SX_INLINE vd load(const double* p) { vd x; memcpy(&x, p, sizeof x); return x; }
SX_INLINE void store(double* p, vd x) { memcpy(p, &x, sizeof x); }

SX_INLINE vf load_floats(const float* p) { vf x; memcpy(&x, p, sizeof x); return x; }
#if defined(__AVX512F__)
SX_INLINE vd widen(vf x) { return (vd)_mm512_cvtps_pd((__m256)x); }
SX_INLINE vf narrow(vd x) { return (vf)_mm512_cvtpd_ps((__m512d)x); }
#elif defined(__AVX2__)
SX_INLINE vd widen(vf x) { return (vd)_mm256_cvtps_pd((__m128)x); }
SX_INLINE vf narrow(vd x) { return (vf)_mm256_cvtpd_ps((__m256d)x); }
#else
SX_INLINE vd widen(vf x) { return __builtin_convertvector(x, vd); }
SX_INLINE vf narrow(vd x) { return __builtin_convertvector(x, vf); }
#endif
SX_INLINE vd load(const float* p) { return widen(load_floats(p)); }
SX_INLINE void store(float* p, vf x) { memcpy(p, &x, sizeof x); }

// bfloat16 is the upper half of a float32: round to nearest even on the bits; a NaN keeps a bit of its mantissa.
// float64 → float32 → bfloat16 rounds twice: at most 0.5 + 2^−17 ULP, within the 0.51 that is owed.
SX_INLINE vd load(const bf16* p) {
  vh h;
  memcpy(&h, p, sizeof h);
  return widen((vf)(__builtin_convertvector(h, vi) << 16));
}
SX_INLINE void store(bf16* p, vf f) {
  typedef unsigned vu __attribute__((vector_size(W * 4)));
  vu u = (vu)f;
  vu rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  vu quiet = (u >> 16) | 0x40;
  vu y = (f == f) ? rounded : quiet;
  vh h = __builtin_convertvector(y, vh);
  memcpy(p, &h, sizeof h);
}

#if defined(__AVX512F__)
SX_INLINE vd load(const f16* p) {
  return widen((vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)));
}
SX_INLINE void store(f16* p, vf x) {
  _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__AVX2__)
SX_INLINE vd load(const f16* p) { return widen((vf)_mm_cvtph_ps(_mm_loadl_epi64((const __m128i*)p))); }
SX_INLINE void store(f16* p, vf x) {
  _mm_storel_epi64((__m128i*)p, _mm_cvtps_ph((__m128)x, _MM_FROUND_TO_NEAREST_INT));
}
#else
#if defined(__aarch64__)
typedef __fp16 Half;  // GCC 12 has no _Float16 in C++ here
#else
typedef _Float16 Half;
#endif
SX_INLINE vd load(const f16* p) {
  vd x;
  for (int i = 0; i < W; ++i) {
    Half h;
    memcpy(&h, p + i, 2);
    x[i] = (double)(float)h;
  }
  return x;
}
SX_INLINE void store(f16* p, vf x) {
  for (int i = 0; i < W; ++i) {
    Half h = (Half)x[i];
    memcpy(p + i, &h, 2);
  }
}
#endif

template <class T> SX_INLINE void store(T* p, vd x) { store(p, narrow(x)); }

// ---- 2W elements at a time as float32, for the passes that only compare or scale -------------------------------------------

SX_INLINE vw load_wide(const float* p) { vw x; memcpy(&x, p, sizeof x); return x; }
SX_INLINE void store_wide(float* p, vw x) { memcpy(p, &x, sizeof x); }

typedef unsigned vu __attribute__((vector_size(W * 8)));
typedef unsigned short vuh __attribute__((vector_size(W * 4)));

SX_INLINE vw load_wide(const bf16* p) {
  vuh h;
  memcpy(&h, p, sizeof h);
  return (vw)(__builtin_convertvector(h, vu) << 16);
}
// No NaN comes here: the rounding could carry one's payload into the sign.
SX_INLINE void store_wide(bf16* p, vw x) {
  const vu u = (vu)x;
  const vuh h = __builtin_convertvector((u + 0x7fff + ((u >> 16) & 1)) >> 16, vuh);
  memcpy(p, &h, sizeof h);
}
#if defined(__AVX512F__)
SX_INLINE vw load_wide(const f16* p) { return (vw)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
SX_INLINE void store_wide(f16* p, vw x) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}
SX_INLINE vw max_wide(vw a, vw b) { return (vw)_mm512_max_ps((__m512)a, (__m512)b); }  // a > b ? a : b
SX_INLINE vf low_half(vw x) { return (vf)_mm512_castps512_ps256((__m512)x); }
SX_INLINE vf high_half(vw x) { return (vf)_mm512_extractf32x8_ps((__m512)x, 1); }
#else
SX_INLINE vf low_half(vw x) { vf y; memcpy(&y, &x, sizeof y); return y; }
SX_INLINE vf high_half(vw x) { vf y; memcpy(&y, (char*)&x + sizeof y, sizeof y); return y; }
SX_INLINE vw joined(vf low, vf high) {
  vw x;
  memcpy(&x, &low, sizeof low);
  memcpy((char*)&x + sizeof low, &high, sizeof high);
  return x;
}
#if defined(__AVX2__)
SX_INLINE vw load_wide(const f16* p) { return (vw)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
SX_INLINE void store_wide(f16* p, vw x) {
  _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT));
}
SX_INLINE vw max_wide(vw a, vw b) { return (vw)_mm256_max_ps((__m256)a, (__m256)b); }
#else
SX_INLINE vw load_wide(const f16* p) { return joined(narrow(load(p)), narrow(load(p + W))); }
SX_INLINE void store_wide(f16* p, vw x) {
  store(p, low_half(x));
  store(p + W, high_half(x));
}
SX_INLINE vw max_wide(vw a, vw b) { return a > b ? a : b; }
#endif
#endif

// Past the caches, to an address that is a multiple of the store's size: a large output that nobody reads soon need not be
// fetched before it is written. Needs stream_fence() before another thread looks.
#if defined(__AVX512F__)
SX_INLINE void stream_wide(float* p, vw x) { _mm512_stream_ps(p, (__m512)x); }
SX_INLINE void stream_halves(void* p, vuh h) { _mm256_stream_si256((__m256i*)p, (__m256i)h); }
SX_INLINE void stream_wide(double* p, vd x) { _mm512_stream_pd(p, (__m512d)x); }
SX_INLINE void stream_fence() { _mm_sfence(); }
constexpr bool kStreams = true;
#elif defined(__AVX2__)
SX_INLINE void stream_wide(float* p, vw x) { _mm256_stream_ps(p, (__m256)x); }
SX_INLINE void stream_halves(void* p, vuh h) { _mm_stream_si128((__m128i*)p, (__m128i)h); }
SX_INLINE void stream_wide(double* p, vd x) { _mm256_stream_pd(p, (__m256d)x); }
SX_INLINE void stream_fence() { _mm_sfence(); }
constexpr bool kStreams = true;
#else
SX_INLINE void stream_wide(float* p, vw x) { store_wide(p, x); }
SX_INLINE void stream_halves(void* p, vuh h) { memcpy(p, &h, sizeof h); }
SX_INLINE void stream_wide(double* p, vd x) { store(p, x); }
SX_INLINE void stream_fence() {}
constexpr bool kStreams = false;
#endif
template <class T> SX_INLINE void stream_wide(T* p, vw x) {  // bfloat16, float16
  alignas(64) T some[2 * W];
  store_wide(some, x);
  vuh h;
  memcpy(&h, some, sizeof h);
  stream_halves(p, h);
}

// 2W elements as float64.
template <class T> SX_INLINE void load_pair(const T* p, vd& a, vd& b) {
  if constexpr (sizeof(T) == 2) {
    const vw x = load_wide(p);
    a = widen(low_half(x));
    b = widen(high_half(x));
  } else {
    a = load(p);
    b = load(p + W);
  }
}

template <class T> struct minus_infinity;
template <> struct minus_infinity<double> { static constexpr double value = -__builtin_inf(); };
template <> struct minus_infinity<float> { static constexpr float value = -__builtin_inff(); };
template <> struct minus_infinity<bf16> { static constexpr bf16 value{0xff80}; };
template <> struct minus_infinity<f16> { static constexpr f16 value{0xfc00}; };

// The first n < W elements; the other lanes are −inf, which no maximum and no sum of exponentials notices.
template <class T> SX_INLINE vd load_some(const T* p, int64_t n) {
  T padded[W];
  for (int i = 0; i < W; ++i) padded[i] = minus_infinity<T>::value;
  memcpy(padded, p, n * sizeof(T));
  return load(padded);
}
template <class T, class V> SX_INLINE void store_some(T* p, V x, int64_t n) {
  T padded[W];
  store(padded, x);
  memcpy(p, padded, n * sizeof(T));
}
template <class T> SX_INLINE vd load_up_to(const T* p, int64_t n) { return n >= W ? load(p) : load_some(p, n); }
template <class T> SX_INLINE void store_up_to(T* p, vd x, int64_t n) {
  if (n >= W) store(p, x); else store_some(p, x, n);
}
// One element, by its own instructions: a vector read back from scalar stores waits for them.
SX_INLINE double get(const double* p) { double x; memcpy(&x, p, sizeof x); return x; }
SX_INLINE double get(const float* p) { float x; memcpy(&x, p, sizeof x); return x; }
SX_INLINE double get(const bf16* p) {
  uint16_t h;
  memcpy(&h, p, sizeof h);
  const uint32_t u = (uint32_t)h << 16;
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}
SX_INLINE double get(const f16* p) { return load_some(p, 1)[0]; }
template <class T> SX_INLINE void put(T* p, double x) { store_some(p, all(x), 1); }
SX_INLINE void put(double* p, double x) { memcpy(p, &x, sizeof x); }
SX_INLINE void put(float* p, double x) { const float y = (float)x; memcpy(p, &y, sizeof y); }

// The lanes' sum and maximum, halved in a fixed order; no NaN in the maximum.
SX_INLINE double sum_lanes(vd x) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_pd((__m512d)x);
#else
  for (int half = W / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
#endif
}
SX_INLINE double max_lanes(vd x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_pd((__m512d)x);
#else
  double m = x[0];
  for (int i = 1; i < W; ++i) m = x[i] > m ? x[i] : m;
  return m;
#endif
}

// Which lanes are equal, as bits.
SX_INLINE unsigned equal_lanes(vd a, vd b) {
#if defined(__AVX512F__)
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_OQ);
#elif defined(__AVX2__)
  return _mm256_movemask_pd((__m256d)(a == b));
#elif defined(__SSE2__)
  return _mm_movemask_pd((__m128d)(a == b));
#else
  vl c = a == b;
  unsigned m = 0;
  for (int i = 0; i < W; ++i) m |= (unsigned)(c[i] & 1) << i;
  return m;
#endif
}

// base[index[0]], base[index[1]], …
SX_INLINE vd gather_at(const double* base, vl index) {
#if defined(__AVX512F__)
  return (vd)_mm512_i64gather_pd((__m512i)index, base, 8);
#else
  vd x;
  for (int i = 0; i < W; ++i) x[i] = base[index[i]];
  return x;
#endif
}
// base[0], base[stride], base[2·stride], …
SX_INLINE vd gather(const double* base, int64_t stride) {
  vl index;
  for (int i = 0; i < W; ++i) index[i] = i * stride;
  return gather_at(base, index);
}

}  // namespace softxent::SOFTXENT_NAMESPACE
