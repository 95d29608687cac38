// Memory for large outputs: huge pages where the system allows them, freed blocks kept for the next call. Page faults
// on a fresh array cost several times what the arithmetic does.
#pragma once
#include <cstddef>
#include <cstdint>

namespace softxent {

// nullptr where the system has none left (after the kept blocks were given up).
void* take_block(size_t bytes, size_t* capacity);
void give_block(void* block, size_t capacity);

// Gives all kept blocks back to the system; how many bytes that was.
size_t release_memory();

struct PoolState {
  size_t limit, held;
  const char* huge_pages;  // what the system says: "always", "madvise", "never", "unknown"
};
PoolState pool_state();

// Working memory for the length of a scope; no bytes, no memory.
struct Block {
  size_t capacity = 0;  // before data: take_block writes it while data is being initialised
  void* data;
  explicit Block(size_t bytes) : data(bytes ? take_block(bytes, &capacity) : nullptr) {}
  ~Block() { if (data) give_block(data, capacity); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
};

}  // namespace softxent
