#include "turnpike/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "turnpike/clock.hpp"

namespace turnpike {
namespace {

constexpr std::size_t lines_max = 10'000;
constexpr std::size_t string_bytes_max = 1024;

void append_escaped(std::string& line, std::string_view text) {
  line += '"';
  for (const char raw : text.substr(0, string_bytes_max)) {
    const auto byte = static_cast<unsigned char>(raw);
    if (byte == '"' || byte == '\\') {
      line += '\\';
      line += raw;
    } else if (byte < 0x20 || byte >= 0x7f) {
      line += fmt::format("\\u{:04x}", byte);  // Latin-1 reading of a byte: the line stays ASCII whatever comes in
    } else {
      line += raw;
    }
  }
  line += '"';
}

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
  }
  return "error";
}

struct ValueWriter {
  std::string& line;
  void operator()(std::string_view text) const { append_escaped(line, text); }
  void operator()(std::int64_t number) const { line += fmt::format("{}", number); }
  void operator()(double number) const { line += fmt::format("{:.6g}", number); }
  void operator()(bool flag) const { line += flag ? "true" : "false"; }
};

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// The queue between those who log and the one thread that may wait for the reader of the log.
class Writer {
 public:
  void start(int descriptor) {
    descriptor_ = descriptor;
    running_ = true;
    thread_ = std::thread{[this] { run(); }};
  }

  void stop() {
    {
      const std::lock_guard lock{mutex_};
      if (!running_) return;
      running_ = false;
    }
    wake_.notify_one();
    std::unique_lock lock{mutex_};
    const bool drained = finished_.wait_for(lock, std::chrono::seconds{1}, [this] { return done_; });
    lock.unlock();
    // A blocked reader must not keep the process alive; what it did not read is lost with it.
    drained ? thread_.join() : thread_.detach();
  }

  void push(std::string line) {
    std::unique_lock lock{mutex_};
    if (!running_) {
      lock.unlock();
      write_all(STDERR_FILENO, line);
      return;
    }
    if (lines_.size() >= lines_max) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    lines_.push_back(std::move(line));
    lock.unlock();
    wake_.notify_one();
  }

  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void run() {
    std::unique_lock lock{mutex_};
    while (running_ || !lines_.empty()) {
      wake_.wait(lock, [this] { return !running_ || !lines_.empty(); });
      std::deque<std::string> batch;
      batch.swap(lines_);
      lock.unlock();
      std::string bytes;
      for (const auto& line : batch) bytes += line;
      write_all(descriptor_, bytes);
      lock.lock();
    }
    done_ = true;
    lock.unlock();
    finished_.notify_all();
  }

  int descriptor_ = STDERR_FILENO;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable finished_;
  std::deque<std::string> lines_;
  std::atomic<std::uint64_t> dropped_{0};
  bool running_ = false;
  bool done_ = false;
  std::thread thread_;
};

/// Logging is the one service every room reaches without being handed it. Never destroyed: a detached writer
/// thread may outlive main.
Writer& writer() {
  static Writer& instance = *new Writer;
  return instance;
}

std::atomic<LogLevel>& least_level() {
  static std::atomic<LogLevel> level{LogLevel::info};
  return level;
}

}  // namespace

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < least_level().load(std::memory_order_relaxed)) return;
  std::string line = fmt::format(R"({{"at":"{}","level":"{}","event":)", to_rfc3339(SystemClock{}.now()), name_of(level));
  append_escaped(line, event);
  for (const auto& [name, value] : fields) {
    line += ',';
    append_escaped(line, name);
    line += ':';
    std::visit(ValueWriter{line}, value);
  }
  line += "}\n";
  writer().push(std::move(line));
}

void start_logging(int descriptor, LogLevel least) {
  least_level().store(least, std::memory_order_relaxed);
  writer().start(descriptor);
}

void stop_logging() { writer().stop(); }

std::uint64_t log_lines_dropped() { return writer().dropped(); }

}  // namespace turnpike
