// operator new and delete with a cache of small blocks for each thread.
//
// A request makes some 150 small objects and lets them go again; the C library takes about 120 instructions for each
// pair, these a dozen. Every block is one of malloc's, so it may be freed anywhere, by any thread and by free(); sized
// delete, which the compiler uses throughout, says which list a block belongs to. What is over goes back to malloc at once.
// Left out where a sanitizer wants to see every block.
#include "app/allocator.hpp"

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TURNPIKE_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TURNPIKE_SANITIZED
#endif
#endif

#ifndef TURNPIKE_SANITIZED

namespace {

constexpr std::size_t step = 16;
constexpr std::size_t cached_bytes_max = 512;                 // of one block
constexpr std::size_t lists = cached_bytes_max / step;        // sizes 16, 32, … 512
constexpr unsigned blocks_max = 32;                           // of one size: at most 264 KiB a thread

struct Block {
  Block* next;
};

struct List {
  Block* first;
  unsigned count;
};

/// Trivial, so that threads need no registration, and zero at their start. What a thread holds at its end is lost; threads
/// live as long as the process.
thread_local constinit List cache[lists]{};

std::size_t list_of(std::size_t bytes) { return bytes == 0 ? 0 : (bytes - 1) / step; }

void* from_malloc(std::size_t bytes) {
  while (true) {
    if (void* const block = std::malloc(bytes)) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc{};
    handler();
  }
}

}  // namespace

void* operator new(std::size_t bytes) {
  const std::size_t number = list_of(bytes);
  if (number >= lists) return from_malloc(bytes);
  List& list = cache[number];
  if (list.first == nullptr) return from_malloc((number + 1) * step);
  Block* const block = list.first;
  list.first = block->next;
  --list.count;
  return block;
}

void operator delete(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  const std::size_t number = list_of(bytes);
  if (number >= lists || cache[number].count >= blocks_max) return std::free(block);
  List& list = cache[number];
  auto* const freed = static_cast<Block*>(block);
  freed->next = list.first;
  list.first = freed;
  ++list.count;
}

void operator delete(void* block) noexcept { std::free(block); }
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t bytes) noexcept { operator delete(block, bytes); }

#endif

namespace turnpike::app {

// Left to itself the C library gives the top of its heap back after each large prompt and takes it anew for the next: 54
// page faults for a request of 200 KB, a third of its cost.
void keep_freed_pages() {
  mallopt(M_MMAP_THRESHOLD, 4 << 20);   // bytes; above it a block is mapped for itself
  mallopt(M_TRIM_THRESHOLD, 32 << 20);  // bytes at the top of a heap that are not given back
}

}  // namespace turnpike::app
