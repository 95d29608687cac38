// A small pool of threads: created by the first large call, asleep when idle, serial in a forked child.
#pragma once
#include <cstdint>

namespace softxent {

constexpr int kMostThreads = 1024;

int cpu_limit();            // processors this process may use: affinity and cgroup quota
int get_num_threads();
void set_num_threads(int n);

// Called by the waiting thread at least every 50 ms; true ends the work early.
using Interrupted = bool (*)();

// body(context, i, worker) for i = 0 … count−1, worker < threads: the caller's number, by which it sized its scratch, since
// get_num_threads() may change at any time. Work is handed out dynamically, so body must not care who runs it. Returns
// false where `interrupted` ended it early. A second caller at the same time, or one in a forked child, does its work alone.
bool parallel_for(int64_t count, int threads, void (*body)(void* context, int64_t i, int worker), void* context,
                  Interrupted interrupted);

}  // namespace softxent
