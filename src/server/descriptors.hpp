// How the process's file descriptors are shared out: half for clients, the rest for providers and files.
#pragma once

#include <cstddef>

namespace turnpike::server {

/// The process's limit; 131072 where there is none.
std::size_t descriptor_limit();

/// Connections to hold at most: half the limit, or `wanted` if that is less. 0 wants half.
std::size_t connection_bound(std::size_t wanted, std::size_t descriptors);

/// Requests that can each have a connection to a provider at the same time, beside so many clients and the gateway's
/// own files.
std::size_t request_bound(std::size_t connections, std::size_t descriptors);

}  // namespace turnpike::server
