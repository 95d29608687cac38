// Which kernels run here, and how a problem is cut into work.
#pragma once
#include "pool.h"
#include "rows.h"

namespace softxent {

struct Choice {
  const Kernels* kernels;
  bool supported;  // by this processor
};
// Everything compiled in, best last.
const Choice* choices(int* count);

// The chosen one: the best that runs here, or what SOFTXENT_ISA names. nullptr where that name is unknown or cannot run.
const Kernels* chosen_kernels();

struct Sums { double ce = 0, z = 0; };

enum class Outcome { done, interrupted, out_of_memory };

// Runs the problem on the pool. `kernels` null: the chosen ones.
Outcome run_problem(Problem& p, const Kernels* kernels, Interrupted interrupted, Sums* sums);

struct Tally {
  int64_t bad_row = -1;  // the first target outside [0, V) that is not ignore_index
  int64_t count = 0;     // rows that count
  double weight = 0;     // Σ r_n w_{t_n} over them
};
Tally tally_targets(const int64_t* target, int64_t rows, int64_t classes, int64_t ignore_index, const double* weight,
                    const double* row_weight);

}  // namespace softxent
