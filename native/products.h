// The products of a linear layer for some rows of it, none of which rearranges the weight in memory first.
//
// N rows (few), V classes (many), D features:
//   logits   Z = X Wᵀ + b        (N × V)
//   input    dX = G W            (N × D)
//   weight   dW = or += Gᵀ X     (V × D), and the column sums of G
// each a sum over up to two terms, which is what derivatives along a direction need. A BLAS copies the weight into an order
// of its own for every product; with few rows that costs as much as a third of the arithmetic, and its threads go on
// spinning for milliseconds while ours want the core. Here the few rows are copied, the weight is read as it lies, and one
// pool of threads does everything.
#pragma once
#include "pool.h"
#include "rows.h"

namespace softxent {

// A matrix with byte strides; data is null where there is none.
struct Plane {
  char* data = nullptr;
  Dtype dtype = Dtype::f32;
  int64_t rows = 0, columns = 0, down = 0, right = 0;
  char* at(int64_t r, int64_t c) const { return data + r * down + c * right; }
};

constexpr int64_t kClassBlock = 96;  // classes of a tile of Z, of a block of Gᵀ: a multiple of 12 and of 16

enum class ProductKind : int { logits, input, weight };

struct Product {
  ProductKind kind = ProductKind::logits;
  int64_t rows = 0, classes = 0, features = 0;
  int terms = 0;
  Plane x[2], w[2];  // X and W of each term, of any dtype and strides; a kind looks at those it needs
  Plane g[2];        // G, items side by side, of the type of `out`
  Plane bias;        // (1, V), of any dtype
  Plane out;         // float32 or float64, items side by side; the column sums alone need none
  Dtype sum = Dtype::f32;         // the type of G and of `out`
  double* column_sums = nullptr;  // (V,): the first G's are added
  bool add = false;               // weight: add to what is there
  int slices = 1;                 // input: slices of the classes whose G W are summed at the end
  int groups = 1;                 // input: groups of features, each a piece of work
  int run = 1;                    // logits, weight: blocks of classes in a row that are one piece of work
};

// What one instruction set offers. `share` is what the threads work on together, `scratch` one thread's own, in bytes.
struct ProductKernels {
  int64_t (*share)(const Product&);
  int64_t (*scratch)(const Product&);
  int64_t (*pieces)(const Product&);
  int64_t (*panels)(const Product&);
  void (*prepare)(const Product&, int64_t i, char* share);  // each panel, before all pieces
  void (*piece)(const Product&, int64_t i, char* share, char* scratch);
  void (*finish)(const Product&, char* share);  // after all pieces
};

// The most memory that products of this size allocate: for each row, and once.
struct ProductBytes { int64_t row, fixed; };
ProductBytes product_bytes(Dtype sum, int64_t classes, int64_t features, int terms, int threads);

enum class ProductOutcome { done, interrupted, out_of_memory };
ProductOutcome run_product(Product& p, int threads, Interrupted interrupted);

}  // namespace softxent
