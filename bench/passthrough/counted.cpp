// memcpy, memmove and operator new with a counter before them. The definitions of a program come
// before those of its libraries, so that copies made inside of libstdc++ are counted too.
#include <dlfcn.h>

#include <cstddef>
#include <cstdlib>
#include <new>

#include "counters.hpp"

namespace {

turnpike::bench::Counters& total() {
  static constinit turnpike::bench::Counters counted;
  return counted;
}

using Copy = void* (*)(void*, const void*, std::size_t);

/// memmove does what memcpy does.
void* real_move(void* to, const void* from, std::size_t bytes) {
  static const auto found = reinterpret_cast<Copy>(dlsym(RTLD_NEXT, "memmove"));
  return found(to, from, bytes);
}

}  // namespace

extern "C" void* memmove(void* to, const void* from, std::size_t bytes) {
  total().copied_bytes += bytes;
  return real_move(to, from, bytes);
}

extern "C" void* memcpy(void* __restrict to, const void* __restrict from, std::size_t bytes) {
  total().copied_bytes += bytes;
  return real_move(to, from, bytes);
}

void* operator new(std::size_t bytes) {
  ++total().allocations;
  total().allocated_bytes += bytes;
  if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace turnpike::bench {

bool counts() { return true; }
Counters counters() { return total(); }

}  // namespace turnpike::bench
