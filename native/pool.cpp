#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>

namespace softxent {
namespace {

constexpr auto kSlice = std::chrono::milliseconds(50);
using Clock = std::chrono::steady_clock;

struct Job {
  int64_t count;
  void (*body)(void*, int64_t, int);
  void* context;
  std::atomic<int64_t> next{0};
  std::atomic<bool> cancelled{false};
};

struct Pool {
  std::mutex mutex;  // guards all below
  std::condition_variable wake, done;
  Job* job = nullptr;
  int wanted = 0;    // workers the job may take
  int active = 0;    // workers inside it
  uint64_t generation = 0;
  int workers = 0;   // threads that exist
};

// Never destroyed: its threads sleep until the process ends.
Pool& pool() {
  static Pool* p = new Pool;
  return *p;
}

std::mutex& one_caller() {
  static auto* m = new std::mutex;
  return *m;
}

std::atomic<bool> in_child{false};

void work(Job& job, int worker) {
  for (;;) {
    const int64_t i = job.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= job.count || job.cancelled.load(std::memory_order_relaxed)) return;
    job.body(job.context, i, worker);
  }
}

void worker_loop(int index) {
  Pool& p = pool();
  std::unique_lock lock(p.mutex);
  uint64_t seen = 0;
  for (;;) {
    p.wake.wait(lock, [&] { return p.job && p.generation != seen && index <= p.wanted; });
    seen = p.generation;
    Job& job = *p.job;
    ++p.active;
    lock.unlock();
    work(job, index);
    lock.lock();
    if (--p.active == 0) p.done.notify_all();
  }
}

// At least n workers, or as many as the system gives. Signals stay with the threads that Python knows.
void grow(Pool& p, int n) {
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  while (p.workers < n) {
    try {
      std::thread(worker_loop, p.workers + 1).detach();
    } catch (const std::system_error&) {
      break;
    }
    ++p.workers;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// The caller's own share, looking up every kSlice.
void work_and_watch(Job& job, Interrupted interrupted) {
  auto look = Clock::now() + kSlice;
  for (;;) {
    const int64_t i = job.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= job.count || job.cancelled.load(std::memory_order_relaxed)) return;
    job.body(job.context, i, 0);
    if (Clock::now() < look) continue;
    if (interrupted && interrupted()) job.cancelled.store(true);
    look = Clock::now() + kSlice;
  }
}

int quota() {  // cgroup v2, then v1
  long limit = 0, period = 0;
  if (FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(f, "%ld %ld", &limit, &period) != 2) limit = 0;  // "max 100000"
    std::fclose(f);
  } else if (FILE* q = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r")) {
    if (std::fscanf(q, "%ld", &limit) != 1) limit = 0;
    std::fclose(q);
    if (FILE* r = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r")) {
      if (std::fscanf(r, "%ld", &period) != 1) period = 0;
      std::fclose(r);
    }
  }
  return limit > 0 && period > 0 ? (int)((limit + period - 1) / period) : 1 << 20;
}

int first_thread_count() {
  if (const char* text = std::getenv("SOFTXENT_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1) return std::min(n, kMostThreads);
  }
  return cpu_limit();
}

std::atomic<int>& thread_count() {
  static std::atomic<int> n{first_thread_count()};
  return n;
}

const int registered = pthread_atfork(nullptr, nullptr, [] { in_child.store(true); });

}  // namespace

int cpu_limit() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)std::thread::hardware_concurrency();
#else
  int n = (int)std::thread::hardware_concurrency();
#endif
  return std::max(1, std::min(n, quota()));
}

int get_num_threads() { return in_child.load() ? 1 : thread_count().load(); }
void set_num_threads(int n) { thread_count().store(n); }

bool parallel_for(int64_t count, int threads, void (*body)(void*, int64_t, int), void* context, Interrupted interrupted) {
  Job job{count, body, context};
  const int helpers = (int)std::min<int64_t>(threads, count) - 1;
  std::unique_lock caller(one_caller(), std::defer_lock);
  // The child of a fork has no workers, and the lock may have been held by a thread that it does not have.
  if (helpers < 1 || in_child.load() || !caller.try_lock()) {
    work_and_watch(job, interrupted);
    return !job.cancelled;
  }
  Pool& p = pool();
  {
    std::lock_guard lock(p.mutex);
    grow(p, helpers);
    p.job = &job;
    p.wanted = helpers;
    ++p.generation;
  }
  p.wake.notify_all();
  work_and_watch(job, interrupted);
  std::unique_lock lock(p.mutex);
  p.job = nullptr;  // who has not begun will not
  while (p.active > 0) {
    if (p.done.wait_for(lock, kSlice) != std::cv_status::timeout || job.cancelled) continue;  // ask once: it set an exception
    lock.unlock();
    if (interrupted && interrupted()) job.cancelled.store(true);
    lock.lock();
  }
  return !job.cancelled;
}

}  // namespace softxent
