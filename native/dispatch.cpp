#include "dispatch.h"

#include <cstdlib>
#include <cstring>

#include "memory.h"

namespace softxent {

#if defined(__x86_64__)
namespace baseline { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace avx512 { extern const Kernels kernels; }
#elif defined(__aarch64__)
namespace neon { extern const Kernels kernels; }
#endif

const Choice* choices(int* count) {
#if defined(__x86_64__)
  static const Choice all[] = {
      {&baseline::kernels, true},
      {&avx2::kernels, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")},
      {&avx512::kernels, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")},
  };
#elif defined(__aarch64__)
  static const Choice all[] = {{&neon::kernels, true}};
#else
#error "no kernels for this processor yet: the plain NumPy implementation runs there"
#endif
  *count = (int)(sizeof all / sizeof all[0]);
  return all;
}

const Kernels* chosen_kernels() {
  int count = 0;
  const Choice* all = choices(&count);
  const char* name = std::getenv("SOFTXENT_ISA");
  for (int i = count - 1; i >= 0; --i) {
    const bool wanted = !name || !*name || std::strcmp(name, all[i].kernels->name) == 0;
    if (wanted && all[i].supported) return all[i].kernels;
  }
  return nullptr;
}

namespace {

void serial_blocks(void*, int64_t count, void (*body)(void*, int64_t), void* context) {
  for (int64_t i = 0; i < count; ++i) body(context, i);
}

// The blocks of one long row, over the pool.
struct RowPool {
  Interrupted interrupted;
  bool cancelled = false;
};
struct RowCall {
  void (*body)(void*, int64_t);
  void* context;
};
void pooled_blocks(void* self, int64_t count, void (*body)(void*, int64_t), void* context) {
  auto& pool = *static_cast<RowPool*>(self);
  RowCall call{body, context};
  const bool finished = parallel_for(count, [](void* c, int64_t i, int) {
    static_cast<RowCall*>(c)->body(static_cast<RowCall*>(c)->context, i);
  }, &call, pool.interrupted);
  if (!finished) pool.cancelled = true;
}

struct Work {
  const Problem* problem;
  const Kernels* kernels;
  char* scratch;
  int64_t scratch_bytes, block;
  double* sums;
};

void run_block(void* context, int64_t i, int worker) {
  const Work& w = *static_cast<Work*>(context);
  const int64_t first = i * w.block, end = first + w.block, last = end < w.problem->rows ? end : w.problem->rows;
  const Parallel serial{serial_blocks, nullptr};
  double sums[2] = {0, 0};
  w.kernels->rows(*w.problem, first, last, w.scratch + worker * w.scratch_bytes, serial, sums);
  w.sums[2 * i] = sums[0];
  w.sums[2 * i + 1] = sums[1];
}

// Compensated, in the order of the blocks.
double total(const double* sums, int64_t blocks) {
  double s = 0, e = 0;
  for (int64_t i = 0; i < blocks; ++i) {
    const double x = sums[2 * i], t = s + x, b = t - s, error = (s - (t - b)) + (x - b);
    s = t;
    if (error == error) e += error;
  }
  return s + e;
}

constexpr int64_t kSmallWork = 1 << 15;   // elements that are not worth waking a thread for
constexpr int64_t kLongRow = 1 << 16;     // classes that are worth more than one thread
// An output that leaves the caches anyway is written past them, which spares reading it first: a quarter to a third of the
// time at V = 32 000. Rows shorter than two pages lose that again at their ends.
constexpr int64_t kStreamRow = 8192, kStreamBytes = int64_t{32} << 20;
constexpr int64_t kStackScratch = 1 << 14;

}  // namespace

Outcome run_problem(Problem& p, const Kernels* kernels, Interrupted interrupted, Sums* result) {
  if (!kernels) kernels = chosen_kernels();
  if (p.rows == 0) return Outcome::done;
  const int64_t block = rows_per_block(p.classes), blocks = (p.rows + block - 1) / block;
  const int64_t bytes = (kernels->scratch(p) + 127) / 64 * 64;
  const bool along_row = p.rows < get_num_threads() && p.classes >= kLongRow;
  const bool serial = along_row || blocks == 1 || p.rows * p.classes < kSmallWork;
  const int64_t workers = serial ? 1 : get_num_threads();

  const int64_t row_bytes = p.classes * (p.out.dtype == Dtype::f64 ? 8 : p.out.dtype == Dtype::f32 ? 4 : 2);
  p.stream = p.out.data && p.out.data != p.logits.data && row_bytes >= kStreamRow && p.rows * row_bytes >= kStreamBytes;

  alignas(64) char small[kStackScratch];
  double one_sum[2];
  const int64_t sum_bytes = (blocks * 2 * (int64_t)sizeof(double) + 63) / 64 * 64;
  const bool on_stack = bytes <= kStackScratch && workers == 1 && blocks == 1;
  Block memory(on_stack ? 0 : (size_t)(workers * bytes + sum_bytes));
  if (!on_stack && !memory.data) return Outcome::out_of_memory;
  char* base = static_cast<char*>(memory.data);
  Work work{&p, kernels, on_stack ? small : base + sum_bytes, bytes, block, on_stack ? one_sum : reinterpret_cast<double*>(base)};

  if (along_row) {
    RowPool pool{interrupted};
    const Parallel parallel{pooled_blocks, &pool};
    for (int64_t n = 0; n < p.rows; ++n) {  // V is long: a block is one row
      work.sums[2 * n] = work.sums[2 * n + 1] = 0;
      kernels->rows(p, n, n + 1, work.scratch, parallel, work.sums + 2 * n);
      if (pool.cancelled) return Outcome::interrupted;
    }
  } else if (serial) {
    for (int64_t i = 0; i < blocks; ++i) run_block(&work, i, 0);
  } else if (!parallel_for(blocks, run_block, &work, interrupted)) {
    return Outcome::interrupted;
  }
  *result = {total(work.sums, blocks), total(work.sums + 1, blocks)};
  return Outcome::done;
}

Tally tally_targets(const int64_t* target, int64_t rows, int64_t classes, int64_t ignore_index, const double* weight,
                    const double* row_weight) {
  Tally result;
  int64_t bad = 0;
  for (int64_t n = 0; n < rows; ++n) {
    const int64_t t = target[n], counts = t != ignore_index;
    bad |= counts & (int64_t)((uint64_t)t >= (uint64_t)classes);
    result.count += counts;
  }
  if (bad) {
    for (int64_t n = 0; n < rows && result.bad_row < 0; ++n)
      if (target[n] != ignore_index && (target[n] < 0 || target[n] >= classes)) result.bad_row = n;
    return result;
  }
  if (!weight && !row_weight) {
    result.weight = (double)result.count;
    return result;
  }
  double s = 0, e = 0;
  for (int64_t n = 0; n < rows; ++n) {
    if (target[n] == ignore_index) continue;
    const double x = (row_weight ? row_weight[n] : 1.0) * (weight ? weight[target[n]] : 1.0);
    const double t = s + x, b = t - s;
    e += (s - (t - b)) + (x - b);
    s = t;
  }
  result.weight = s + e;
  return result;
}

}  // namespace softxent
