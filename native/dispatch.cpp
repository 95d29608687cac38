#include "dispatch.h"

#include <atomic>
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

namespace {
const Kernels* choose() {
  int count = 0;
  const Choice* all = choices(&count);
  const char* name = std::getenv("SOFTXENT_ISA");
  for (int i = count - 1; i >= 0; --i) {
    const bool wanted = !name || !*name || std::strcmp(name, all[i].kernels->name) == 0;
    if (wanted && all[i].supported) return all[i].kernels;
  }
  return nullptr;
}
}  // namespace

const Kernels* chosen_kernels() {
  static const Kernels* const chosen = choose();
  return chosen;
}

namespace {

void serial_blocks(void*, int64_t count, void (*body)(void*, int64_t), void* context) {
  for (int64_t i = 0; i < count; ++i) body(context, i);
}

// The blocks of one long row, over the pool.
struct RowPool {
  Interrupted interrupted;
  int threads;
  bool cancelled = false;
};
struct RowCall {
  void (*body)(void*, int64_t);
  void* context;
};
void pooled_blocks(void* self, int64_t count, void (*body)(void*, int64_t), void* context) {
  auto& pool = *static_cast<RowPool*>(self);
  if (pool.cancelled) return;  // the row's other passes
  RowCall call{body, context};
  const bool finished = parallel_for(count, pool.threads, [](void* c, int64_t i, int) {
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

// Elements that are not worth waking a thread for: with 1e5 of them, where OpenMP's threads of PyTorch spin beside ours, two
// threads take 164 us at 100 x 1000 and 154 at 8 x 12 500, one takes 102 and 121.
constexpr int64_t kSmallWork = 1 << 17;
constexpr int64_t kLongRow = 1 << 16;     // classes that are worth more than one thread
// Rows that one thread may work on for more than 50 ms are cut too, however many they are: signals are looked for between
// blocks. Softcap in float64 costs 200 ns an element (AVX-512, HVP), all else at most 18.
constexpr int64_t kSlowRow = 1 << 22, kSlowCappedRow = 1 << 18;
// Rows too long for their output to wait in the second-level cache are written past the caches, which spares reading it
// first: 24 ms where 34 were needed at 256 × 262 144. Shorter ones are better asked for ahead (row.h): 22 ms for 31 at V = 1000.
constexpr int64_t kStreamRow = 1 << 19, kStreamBytes = int64_t{32} << 20;
constexpr int64_t kStackScratch = 1 << 14;

}  // namespace

Outcome run_problem(Problem& p, const Kernels* kernels, Interrupted interrupted, Sums* result) {
  if (!kernels) kernels = chosen_kernels();
  if (p.rows == 0) return Outcome::done;
  const int64_t block = rows_per_block(p.classes), blocks = (p.rows + block - 1) / block;
  const int64_t bytes = (kernels->scratch(p) + 127) / 64 * 64;
  const int threads = get_num_threads();  // once: another Python thread may change it
  const bool along_row = (p.rows < threads && p.classes >= kLongRow) || p.classes >= (p.softcap != 0 ? kSlowCappedRow : kSlowRow);
  const bool serial = along_row || blocks == 1 || p.rows * p.classes < kSmallWork;
  const int64_t workers = serial ? 1 : threads;

  const int64_t row_bytes = p.classes * (p.out.dtype == Dtype::f64 ? 8 : p.out.dtype == Dtype::f32 ? 4 : 2);
  p.stream = p.out.data && p.out.data != p.logits.data && row_bytes >= kStreamRow && p.rows * row_bytes >= kStreamBytes;

  alignas(64) char small[kStackScratch];
  double one_sum[2];
  const int64_t sum_bytes = (blocks * 2 * (int64_t)sizeof(double) + 63) / 64 * 64;
  const bool on_stack = bytes <= kStackScratch && workers == 1 && blocks == 1;
  int64_t needed = 0;
  if (!on_stack && (__builtin_mul_overflow(workers, bytes, &needed) || __builtin_add_overflow(needed, sum_bytes, &needed)))
    return Outcome::out_of_memory;
  Block memory((size_t)needed);
  if (needed && !memory.data) return Outcome::out_of_memory;
  char* base = static_cast<char*>(memory.data);
  Work work{&p, kernels, on_stack ? small : base + sum_bytes, bytes, block, on_stack ? one_sum : reinterpret_cast<double*>(base)};

  if (along_row) {
    RowPool pool{interrupted, threads};
    const Parallel parallel{pooled_blocks, &pool};
    for (int64_t n = 0; n < p.rows; ++n) {  // V is long: a block is one row
      work.sums[2 * n] = work.sums[2 * n + 1] = 0;
      kernels->rows(p, n, n + 1, work.scratch, parallel, work.sums + 2 * n);
      if (pool.cancelled) return Outcome::interrupted;
    }
  } else if (serial) {
    for (int64_t i = 0; i < blocks; ++i) run_block(&work, i, 0);
  } else if (!parallel_for(blocks, threads, run_block, &work, interrupted)) {
    return Outcome::interrupted;
  }
  *result = {total(work.sums, blocks), total(work.sums + 1, blocks)};
  return Outcome::done;
}

namespace {

struct TallyWork {
  const int64_t* target;
  int64_t rows, classes, ignore_index;
  const Kernels* kernels;
  std::atomic<int64_t> count{0};
  std::atomic<bool> bad{false};
};
constexpr int64_t kTallyBlock = 1 << 16;

void tally_block(void* context, int64_t i, int) {
  auto& w = *static_cast<TallyWork*>(context);
  const int64_t first = i * kTallyBlock, rest = w.rows - first;
  bool bad = false;
  w.count += w.kernels->count_targets(w.target + first, rest < kTallyBlock ? rest : kTallyBlock, w.classes, w.ignore_index, &bad);
  if (bad) w.bad = true;
}

}  // namespace

Tally tally_targets(const int64_t* target, int64_t rows, int64_t classes, int64_t ignore_index, const double* weight,
                    const double* row_weight) {
  TallyWork work{target, rows, classes, ignore_index, chosen_kernels()};
  parallel_for((rows + kTallyBlock - 1) / kTallyBlock, get_num_threads(), tally_block, &work, nullptr);
  Tally result;
  if (work.bad) {
    for (int64_t n = 0; n < rows && result.bad_row < 0; ++n)
      if (target[n] != ignore_index && (target[n] < 0 || target[n] >= classes)) result.bad_row = n;
    return result;
  }
  result.count = work.count;
  if (!weight && !row_weight) {
    result.weight = (double)result.count;
    return result;
  }
  double s = 0, e = 0;
  for (int64_t n = 0; n < rows; ++n) {
    const int64_t t = target[n];
    if (t == ignore_index) continue;
    if (t < 0 || t >= classes) return {n};  // another thread changed it since it was counted
    const double x = (row_weight ? row_weight[n] : 1.0) * (weight ? weight[t] : 1.0);
    const double next = s + x, b = next - s;
    e += (s - (next - b)) + (x - b);
    s = next;
  }
  result.weight = s + e;
  return result;
}

}  // namespace softxent
