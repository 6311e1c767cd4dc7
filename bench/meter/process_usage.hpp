// CPU time and memory of processes, as the kernel keeps them.
#pragma once

#include <sys/types.h>

#include <vector>

namespace turnpike::meter {

struct ProcessUsage {
  double cpu_us = 0;     // scheduler run time of all live threads, user and kernel
  double memory_kb = 0;  // proportional set size: shared pages count by share
};

/// Of these processes and all their children. What has ended counts nothing.
ProcessUsage usage_of(const std::vector<pid_t>& roots);

}  // namespace turnpike::meter
