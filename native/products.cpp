#include "products.h"

#include <algorithm>

#include "dispatch.h"
#include "memory.h"

namespace softxent {
namespace {

constexpr int kPiecesPerThread = 4;  // more than one, so that a thread whose core is busy holds nobody up

int64_t padded_bytes(int64_t n) { return (n + 127) / 64 * 64; }

// Each slice of the classes but the first has its own sum G W: one slice a thread, unless those sums took more than an
// eighth of the logits. The features are divided as well, until there is enough work to hand out.
void divide(Product& p, int threads) {
  const int64_t room = 1 + p.classes / (8 * std::max<int64_t>(p.features, 1));
  p.slices = (int)std::min<int64_t>(threads, room);
  p.groups = (kPiecesPerThread * threads + p.slices - 1) / p.slices;
}

const ProductKernels& kernels() { return *chosen_kernels()->products; }

struct Work {
  const Product* product;
  char *share, *scratch;
  int64_t scratch_bytes;
};

void run_piece(void* context, int64_t i, int worker) {
  const Work& w = *static_cast<Work*>(context);
  kernels().piece(*w.product, i, w.share, w.scratch + worker * w.scratch_bytes);
}

}  // namespace

ProductBytes product_bytes(Dtype sum, int64_t classes, int64_t features, int terms, int threads) {
  ProductBytes most{0, 0};
  for (ProductKind kind : {ProductKind::logits, ProductKind::input, ProductKind::weight}) {
    Product p;
    p.kind = kind;
    p.classes = classes;
    p.features = features;
    p.terms = terms;
    p.sum = p.out.dtype = sum;
    divide(p, threads);
    const int64_t panel = 64;  // a multiple of every panel's width: the bytes are linear in such numbers of rows
    p.rows = panel;
    const int64_t row = (kernels().share(p) + panel - 1) / panel;
    p.rows = int64_t{1} << 20;
    most.row = std::max(most.row, row);
    most.fixed = std::max(most.fixed, row * panel + padded_bytes(0) + threads * padded_bytes(kernels().scratch(p)));
  }
  return most;
}

ProductOutcome run_product(Product& p, int threads, Interrupted interrupted) {
  if (p.rows == 0 && p.kind != ProductKind::weight) return ProductOutcome::done;
  const ProductKernels& k = kernels();
  divide(p, threads);
  const int64_t share = padded_bytes(k.share(p)), scratch = padded_bytes(k.scratch(p));
  Block memory((size_t)(share + threads * scratch));
  if (!memory.data) return ProductOutcome::out_of_memory;
  char* base = static_cast<char*>(memory.data);
  Work work{&p, base, base + share, scratch};
  k.prepare(p, base);
  if (!parallel_for(k.pieces(p), threads, run_piece, &work, interrupted)) return ProductOutcome::interrupted;
  k.finish(p, base);
  return ProductOutcome::done;
}

}  // namespace softxent
