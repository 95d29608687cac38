#include "products.h"

#include <algorithm>

#include "dispatch.h"
#include "memory.h"

namespace softxent {
namespace {

constexpr int kPiecesPerThread = 8, kLongestRun = 16;

int64_t padded_bytes(int64_t n) { return (n + 127) / 64 * 64; }

// Each slice of the classes but the first has its own sum G W: one slice a thread, unless those sums took more than an
// eighth of the logits. Then the features are divided as well; every group of them reads all of G again.
void divide(Product& p, int threads) {
  const int64_t room = 1 + p.classes / (8 * std::max<int64_t>(p.features, 1));
  p.slices = (int)std::min<int64_t>(threads, room);
  p.groups = (threads + p.slices - 1) / p.slices;
  // Blocks that follow one another go to one thread, which asks for the next one's memory ahead: 99 → 130 GFLOP/s a thread
  // on two. But enough pieces that a busy core holds nobody up.
  const int64_t blocks = (p.classes + kClassBlock - 1) / kClassBlock;
  p.run = (int)std::clamp<int64_t>(blocks / (kPiecesPerThread * threads), 1, kLongestRun);
}

const ProductKernels& kernels() { return *chosen_kernels()->products; }

struct Work {
  const Product* product;
  char *share, *scratch;
  int64_t scratch_bytes;
};

void prepare_panel(void* context, int64_t i, int) {
  const Work& w = *static_cast<Work*>(context);
  kernels().prepare(*w.product, i, w.share);
}

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
    const auto bytes = [&](int64_t rows) {
      p.rows = rows;
      return padded_bytes(kernels().share(p)) + threads * padded_bytes(kernels().scratch(p));
    };
    const int64_t panel = 64;  // a multiple of every panel's width: the bytes are linear in such numbers of rows
    most.row = std::max(most.row, (bytes(2 * panel) - bytes(panel) + panel - 1) / panel);
    most.fixed = std::max(most.fixed, bytes(panel));
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
  if (!parallel_for(k.panels(p), threads, prepare_panel, &work, interrupted) ||
      !parallel_for(k.pieces(p), threads, run_piece, &work, interrupted))
    return ProductOutcome::interrupted;
  k.finish(p, base);
  return ProductOutcome::done;
}

}  // namespace softxent
