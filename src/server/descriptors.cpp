#include "server/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace turnpike::server {

std::size_t descriptor_limit() {
  constexpr std::size_t plenty = 131072;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return plenty;
  return static_cast<std::size_t>(limit.rlim_cur);
}

std::size_t connection_bound(std::size_t wanted, std::size_t descriptors) {
  const std::size_t half = std::max<std::size_t>(8, descriptors / 2);
  return wanted == 0 ? half : std::min(wanted, half);
}

std::size_t request_bound(std::size_t connections, std::size_t descriptors) {
  constexpr std::size_t own_files = 64;  // loops, stores, listeners, the operator's connections
  const std::size_t taken = connections + own_files;
  return std::max<std::size_t>(8, descriptors > taken ? descriptors - taken : 0);
}

}  // namespace turnpike::server
