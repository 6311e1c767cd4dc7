// A disk that misbehaves on demand, under the feet of the code as it is: the C library's calls for
// files are interposed. Linked into a test program, or preloaded into a real one
// (fault_disk_preload.cpp).
//
// Applies to the files directly in one watched directory. It can be full, it can fail fsyncs the
// way Linux does (the pages count as clean afterwards, so that the next fsync succeeds and writes
// nothing), and it can lose power: lose_power() gives the directory as a disk would have it, with
// writes that were not yet fsynced dropped, torn or kept at random.
#pragma once

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>

namespace turnpike::testing::fault_disk {

/// Everything in the directory counts as durable now. Lifts all faults.
void watch(const std::filesystem::path& directory);
void unwatch();

/// Room for files to grow: taken by writes and posix_fallocate, given back by truncation and
/// unlink. Negative: without bound.
void set_free(std::int64_t bytes);

/// The next `count` fsyncs of files whose name ends in `suffix` fail with this errno.
void fail_fsync(const std::string& suffix, int count, int fault);
/// Likewise for writes; nothing is written.
void fail_write(const std::string& suffix, int count, int fault);

/// Fsyncs that failed so far.
std::int64_t failed_fsyncs();
/// Writes, since the last failed fsync, through descriptors of the same store that were open then.
std::int64_t writes_on_old_handles();

/// Makes `image` what the directory would be after a power failure at this instant.
void lose_power(const std::filesystem::path& image, std::mt19937_64& random);

}  // namespace turnpike::testing::fault_disk
