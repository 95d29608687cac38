// The contract between Python's side (bind.cpp) and the row kernels: pointers, strides, sizes, options.
//
// A problem is N rows of V classes. Rows are the points of the leading axes of `logits`, in C order; the class axis
// is last and may have any stride. Nothing here owns memory, and nothing here knows about Python.
#pragma once
#include <cstddef>
#include <cstdint>

namespace softxent {

enum class Dtype : int { f32 = 0, f64 = 1, bf16 = 2, f16 = 3 };

constexpr int kMaxAxes = 32;

// A strided matrix of rows: byte strides, so that misaligned and negative ones are plain cases.
struct Matrix {
  char* data = nullptr;
  Dtype dtype = Dtype::f32;
  int axes = 0;  // leading axes
  int64_t shape[kMaxAxes] = {};
  int64_t stride[kMaxAxes] = {};
  int64_t class_stride = 0;

  // Row n stands at the mixed-radix digits of n.
  char* row(int64_t n) const {
    if (axes == 1) return data + n * stride[0];
    char* p = data;
    for (int a = axes - 1; a >= 0; --a) {
      p += (n % shape[a]) * stride[a];
      n /= shape[a];
    }
    return p;
  }
};

enum class Op : int {
  softmax, log_softmax, logsumexp, softmax_jvp,
  loss,          // the loss, and its gradient where `out` is given
  gradient,      // the gradient from the saved (m, s)
  jvp, hvp, hessian_diag, target_grad, stats
};

struct Problem {
  Op op = Op::loss;
  Matrix logits;
  int64_t rows = 0, classes = 0;
  // options
  const int64_t* target = nullptr;  // class indices (N,), or
  Matrix soft;                      // a soft target, where soft.data is not null
  const double* weight = nullptr;       // (V,)
  const double* row_weight = nullptr;   // (N,)
  const double* upstream = nullptr;     // (N,), one more factor a row
  int64_t ignore_index = -100;
  double smoothing = 0, temperature = 1, softcap = 0 /* 0: none */, z_loss = 0;
  bool stream = false;  // write `out` past the caches
  // inputs of some operations
  Matrix vector, target_tangent;  // data is null where there is none
  double ce_factor = 1, z_factor = 1;
  double* saved = nullptr;  // (N, 2): (m, s), written by loss, read by gradient
  // outputs
  Matrix out;                // data is null where there is none
  void* per_row = nullptr;   // (N,), float64 for float64 logits, else float32
  void* stat_floats = nullptr;       // (5, N), the type of per_row
  int64_t* stat_ints = nullptr;      // (2, N)
  double* block_sums = nullptr;      // (blocks, 2): each block's sum of losses and of z-losses

  double row_factor(int64_t n) const {
    double f = row_weight ? row_weight[n] : 1.0;
    return upstream ? f * upstream[n] : f;
  }
  bool ignored(int64_t n) const { return target && target[n] == ignore_index; }
};

// Runs body(context, i) for i = 0 … count−1, in any order, perhaps on several threads.
struct Parallel {
  void (*run)(void* self, int64_t count, void (*body)(void* context, int64_t i), void* context);
  void* self;
};

// What one instruction set offers. `scratch` is the working memory of one thread, in bytes.
struct Kernels {
  const char* name;
  int64_t (*scratch)(const Problem&);
  // targets that are not ignore_index; *bad where one of them lies outside [0, classes)
  int64_t (*count_targets)(const int64_t* target, int64_t n, int64_t classes, int64_t ignore_index, bool* bad);
  // rows [first, last); the sums of their losses and z-losses are added into sums[0], sums[1]
  void (*rows)(const Problem&, int64_t first, int64_t last, char* scratch, const Parallel&, double* sums);
  const struct ProductKernels* products;  // products.h
};

// Rows are handed out, and their losses summed, in blocks of this many: fixed by V alone, so that sums do not depend on
// the number of threads. A multiple of every lane count, so that tiles start where blocks do.
inline int64_t rows_per_block(int64_t classes) {
  const int64_t elements = 32768;
  int64_t rows = classes >= elements ? 1 : elements / classes;
  if (rows >= 8) rows = rows / 8 * 8;
  return rows > 1024 ? 1024 : rows;
}

// Elements of one block along a long row: a block and its exponentials stay in the first-level cache.
constexpr int64_t kRowBlock = 4096;

}  // namespace softxent
