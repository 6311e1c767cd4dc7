// The form of SQLite's write-ahead log, as far as it takes to tell how much of one is in use.
// Source: SQLite's file format, "The Write-Ahead Log".
#pragma once

#include <cstdint>
#include <filesystem>

namespace turnpike::account {

/// Bytes of the log beside `database` up to the last frame of its present generation (those with
/// the salt of the header; others are left from before), which the end of the file may cut short.
/// 0: no log, or an empty one. All of it, if the header cannot be read.
std::int64_t wal_bytes_in_use(const std::filesystem::path& database);

/// Length of a log with so many frames; 0 for none.
constexpr std::int64_t wal_bytes_of(std::int64_t frames, std::int64_t page_bytes) {
  constexpr std::int64_t header_bytes = 32;
  constexpr std::int64_t frame_header_bytes = 24;
  return frames == 0 ? 0 : header_bytes + frames * (frame_header_bytes + page_bytes);
}

}  // namespace turnpike::account
