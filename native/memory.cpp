#include "memory.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)  // GCC
#define SOFTXENT_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)  // Clang
#define SOFTXENT_ASAN
#endif
#endif
#if defined(SOFTXENT_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace softxent {
namespace {

// AddressSanitizer watches what malloc gives, not what mmap does: a kept block, and what a block has beyond the bytes asked
// for, are marked by hand, so that a use after release or past the end is seen.
void out_of_bounds([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(SOFTXENT_ASAN)
  __asan_poison_memory_region(data, bytes);
#endif
}
void in_bounds([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(SOFTXENT_ASAN)
  __asan_unpoison_memory_region(data, bytes);
#endif
}

using Clock = std::chrono::steady_clock;
constexpr size_t kPage = 4096, kHuge = size_t{2} << 20;
constexpr auto kIdle = std::chrono::seconds(10);  // a block unused for so long goes back to the system

struct Free {
  void* data;
  size_t capacity;
  Clock::time_point since;
};

struct Store {
  std::mutex mutex;  // guards all below
  std::vector<Free> blocks;
  size_t held = 0, limit = size_t{512} << 20;
  bool janitor = false;  // a thread is watching for idle blocks
};

Store& store() {
  static Store* s = [] {
    auto* made = new Store;
    if (const char* text = std::getenv("SOFTXENT_POOL_BYTES")) made->limit = std::strtoull(text, nullptr, 10);
    return made;
  }();
  return *s;
}

size_t rounded(size_t bytes) {
  const size_t unit = bytes >= 2 * kHuge ? kHuge : kPage;
  return (bytes + unit - 1) / unit * unit;
}

void* map_fresh(size_t capacity) {
  const bool huge = capacity % kHuge == 0;
  const size_t extra = huge ? kHuge : 0;
  void* raw = mmap(nullptr, capacity + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  if (!huge) return raw;
  // only whole, aligned huge pages can be huge: cut the ends off
  auto start = reinterpret_cast<uintptr_t>(raw), aligned = (start + kHuge - 1) / kHuge * kHuge;
  if (aligned > start) munmap(raw, aligned - start);
  const size_t tail = start + capacity + extra - (aligned + capacity);
  if (tail) munmap(reinterpret_cast<void*>(aligned + capacity), tail);
  void* data = reinterpret_cast<void*>(aligned);
#if defined(MADV_HUGEPAGE)
  madvise(data, capacity, MADV_HUGEPAGE);
#endif
  return data;
}

void unmap(void* data, size_t capacity) {
  in_bounds(data, capacity);  // whoever maps these addresses next knows nothing of it
  munmap(data, capacity);
}

// Drops what has lain idle since before `before`; the mutex is held.
void drop(Store& s, Clock::time_point before) {
  size_t kept = 0;
  for (const Free& f : s.blocks) {
    if (f.since >= before) {
      s.blocks[kept++] = f;
    } else {
      unmap(f.data, f.capacity);
      s.held -= f.capacity;
    }
  }
  s.blocks.resize(kept);
}

// Lives while there are kept blocks.
void janitor() {
  Store& s = store();
  for (;;) {
    std::this_thread::sleep_for(kIdle / 4);
    std::lock_guard lock(s.mutex);
    drop(s, Clock::now() - kIdle);
    if (s.blocks.empty()) {
      s.janitor = false;
      return;
    }
  }
}

void start_janitor(Store& s) {
  if (s.janitor) return;
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  try {
    std::thread(janitor).detach();
    s.janitor = true;
  } catch (const std::system_error&) {  // without it blocks stay until the next release
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// A fork must not catch the list half changed, and the child has no janitor.
const int registered = pthread_atfork([] { store().mutex.lock(); }, [] { store().mutex.unlock(); }, [] {
  store().janitor = false;
  store().mutex.unlock();
});

}  // namespace

void* take_block(size_t bytes, size_t* capacity) {
  Store& s = store();
  const size_t wanted = rounded(bytes ? bytes : 1);
  {
    std::lock_guard lock(s.mutex);
    size_t best = s.blocks.size();
    for (size_t i = 0; i < s.blocks.size(); ++i) {
      const size_t c = s.blocks[i].capacity;
      if (c >= wanted && c <= wanted + wanted / 4 && (best == s.blocks.size() || c < s.blocks[best].capacity)) best = i;
    }
    if (best < s.blocks.size()) {
      const Free f = s.blocks[best];
      s.blocks.erase(s.blocks.begin() + (ptrdiff_t)best);
      s.held -= f.capacity;
      *capacity = f.capacity;
      in_bounds(f.data, bytes);  // its end stays marked
      return f.data;
    }
  }
  *capacity = wanted;
  void* data = map_fresh(wanted);
  if (!data) {
    release_memory();
    data = map_fresh(wanted);
  }
  if (data) out_of_bounds(static_cast<char*>(data) + bytes, wanted - bytes);
  return data;
}

void give_block(void* data, size_t capacity) {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  if (capacity > s.limit) {
    unmap(data, capacity);
    return;
  }
  out_of_bounds(data, capacity);
  while (s.held + capacity > s.limit) {  // the oldest makes room
    unmap(s.blocks.front().data, s.blocks.front().capacity);
    s.held -= s.blocks.front().capacity;
    s.blocks.erase(s.blocks.begin());
  }
  s.blocks.push_back({data, capacity, Clock::now()});
  s.held += capacity;
  start_janitor(s);
}

size_t release_memory() {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  const size_t held = s.held;
  drop(s, Clock::time_point::max());
  return held;
}

PoolState pool_state() {
  Store& s = store();
  std::lock_guard lock(s.mutex);
  const char* huge = "unknown";
  if (FILE* f = std::fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r")) {
    char text[64] = {};
    if (std::fgets(text, sizeof text, f))
      for (const char* word : {"always", "madvise", "never"}) {
        char marked[16];
        std::snprintf(marked, sizeof marked, "[%s]", word);
        if (std::strstr(text, marked)) huge = word;
      }
    std::fclose(f);
  }
  return {s.limit, s.held, huge};
}

}  // namespace softxent
