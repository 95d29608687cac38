// One instruction set's kernels: which road a row takes. Included last by rows_<instruction set>.cpp, which names the
// namespace; the road depends on the options, V and the dtype alone.
#pragma once
#include "products_impl.h"
#include "row_dense.h"

namespace softxent::SOFTXENT_NAMESPACE {

SX_INLINE bool is_dense(const Problem& p) {
  switch (p.op) {
    case Op::softmax: case Op::log_softmax: case Op::logsumexp: return p.softcap != 0;
    case Op::loss: case Op::gradient:
      return p.softcap != 0 || p.soft.data || p.smoothing != 0 || (p.z_loss != 0 && p.logits.dtype == Dtype::f64);
    default: return true;
  }
}

static int64_t scratch(const Problem& p) {
  const int64_t row = padded(p.classes) * (int64_t)sizeof(double);
  return blocks_bytes(p.classes) + (is_dense(p) ? dense_arrays(needs_of(p)) * row : row) + row;
}

template <class T, bool Tempered>
static void fast_rows(const Problem& p, int64_t first, int64_t last, char* memory, const Parallel& parallel, double* sums) {
  const bool tiny = p.classes <= kTinyClasses;
  if (p.op == Op::loss || p.op == Op::gradient) {
    if (tiny) index_tiles<T, Tempered>(p, first, last, sums);
    else index_rows<T, Tempered>(p, first, last, memory, parallel, sums);
  } else {
    if (tiny) softmax_tiles<T, Tempered>(p, first, last);
    else softmax_rows<T, Tempered>(p, first, last, memory, parallel);
  }
}

template <class T>
static void typed_rows(const Problem& p, int64_t first, int64_t last, char* memory, const Parallel& parallel, double* sums) {
  if (is_dense(p)) {
    // the gradient of a float64 target is owed float64's accuracy, whatever the logits are
    if (p.op == Op::target_grad && p.out.dtype == Dtype::f64) dense_rows<T, true>(p, first, last, memory, parallel, sums);
    else dense_rows<T, is_exact<T>>(p, first, last, memory, parallel, sums);
  } else if (p.temperature == 1) fast_rows<T, false>(p, first, last, memory, parallel, sums);
  else fast_rows<T, true>(p, first, last, memory, parallel, sums);
}

static void rows(const Problem& p, int64_t first, int64_t last, char* memory, const Parallel& parallel, double* sums) {
  switch (p.logits.dtype) {
    case Dtype::f32: typed_rows<float>(p, first, last, memory, parallel, sums); break;
    case Dtype::f64: typed_rows<double>(p, first, last, memory, parallel, sums); break;
    case Dtype::bf16: typed_rows<bf16>(p, first, last, memory, parallel, sums); break;
    case Dtype::f16: typed_rows<f16>(p, first, last, memory, parallel, sums); break;
  }
  if (p.stream) stream_fence();
}

// Without a branch and in one loop, which the compiler turns into lanes: the targets of a million rows of two classes are
// as many bytes as their logits.
static int64_t count_targets(const int64_t* target, int64_t n, int64_t classes, int64_t ignore_index, bool* bad) {
  uint64_t wrong = 0, count = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t t = (uint64_t)target[i], other = t ^ (uint64_t)ignore_index;
    const uint64_t counts = (other | -other) >> 63;                       // 1 where t is not ignore_index
    wrong |= -counts & (t | ((uint64_t)classes - 1 - t));                 // the sign bit where t < 0 or t > V − 1
    count += counts;
  }
  *bad = wrong >> 63;
  return (int64_t)count;
}

#define SX_TEXT_(x) #x
#define SX_TEXT(x) SX_TEXT_(x)
extern const Kernels kernels;
const Kernels kernels = {SX_TEXT(SOFTXENT_NAMESPACE), scratch, count_targets, rows, &product_kernels};

}  // namespace softxent::SOFTXENT_NAMESPACE
