#include "counted.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constinit turnpike::bench::Allocations total;

}  // namespace

void* operator new(std::size_t bytes) {
  ++total.count;
  total.bytes += bytes;
  if (void* const memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace turnpike::bench {

Allocations allocations() { return total; }

}  // namespace turnpike::bench
