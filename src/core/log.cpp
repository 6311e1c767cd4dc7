#include "turnpike/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
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
constexpr std::chrono::milliseconds flush_interval{20};

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
  void operator()(std::int64_t number) const { append(number); }
  void operator()(double number) const { append(number, std::chars_format::general, 6); }
  void operator()(bool flag) const { line += flag ? "true" : "false"; }
  template <typename... Number>
  void append(Number... number) const {
    std::array<char, 32> digits{};
    line.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number...).ptr);
  }
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
    // The writer sleeps at most flush_interval, so only the first line of a quiet spell and a crowd wake it.
    const bool wake = lines_.size() == 1 || lines_.size() == lines_max / 2;
    lock.unlock();
    if (wake) wake_.notify_one();
  }

  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void run() {
    std::unique_lock lock{mutex_};
    while (running_ || !lines_.empty()) {
      wake_.wait(lock, [this] { return !running_ || !lines_.empty(); });
      // Lines come in crowds; one wake-up and one write serve all of the next few milliseconds.
      if (running_) wake_.wait_for(lock, flush_interval, [this] { return !running_ || lines_.size() >= lines_max / 2; });
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
  std::string line;
  line.reserve(512);
  line.append(R"({"at":")").append(to_rfc3339(SystemClock{}.now())).append(R"(","level":")").append(name_of(level)).append(R"(","event":)");
  append_escaped(line, event);
  for (const auto& [name, value] : fields) {
    line.append(R"(,")").append(name).append(R"(":)");  // names are ours: nothing to escape
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
