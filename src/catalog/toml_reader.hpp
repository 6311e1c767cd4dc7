// Strict access to TOML: every value knows its line and column, every key must be asked for, every
// fault is kept. toml++ itself stays behind toml_plus_plus.hpp.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/decimal.hpp"
#include "catalog/fault.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::catalog {

struct TomlPosition {
  int line = 0;
  int column = 0;
};

enum class TomlKind : std::uint8_t {
  string,
  integer,
  floating,
  boolean,
  instant,
  time,
  array,
  table
};
std::string_view to_string(TomlKind kind);

struct TomlEntry;

/// One value of a document, copied out of the parser.
struct TomlNode {
  TomlKind kind = TomlKind::table;
  TomlPosition at;
  std::string
      text;  // string: the value; floating: its shortest decimal, or "" if it has no short one
  std::int64_t integer = 0;  // integer
  bool boolean = false;
  Instant instant{};               // date (midnight UTC) or date-time with an offset
  std::vector<TomlNode> items;     // array
  std::vector<TomlEntry> entries;  // table, in the order of the file
};

struct TomlEntry {
  std::string key;
  TomlPosition at;  // of the key
  TomlNode value;
};

/// Faults of one file.
class FaultLog {
 public:
  explicit FaultLog(std::string file) : file_(std::move(file)) {}
  void error(TomlPosition at, std::string message);
  void warning(TomlPosition at, std::string message);
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::vector<Fault>& faults() const { return faults_; }
  std::vector<Fault> take() { return std::move(faults_); }

 private:
  std::string file_;
  std::vector<Fault> faults_;
};

/// The document's root table; a syntax error is one Fault. `file` names the file in faults.
std::expected<TomlNode, Fault> parse_toml(std::string_view document, const std::string& file);
/// The bytes of a file; one that cannot be read is a Fault.
std::expected<std::string, Fault> read_file(const std::filesystem::path& path);

/// One table, asked key by key. Wrong types, missing required keys and values out of range become
/// faults; finish() reports the keys nobody asked for. The node and the log outlive the reader.
class TableReader {
 public:
  /// `what` names the table in messages: "[provider]", "tier \"bulk\"".
  TableReader(const TomlNode& table, std::string what, FaultLog& faults);

  std::optional<std::string> string(std::string_view key);
  std::string required_string(std::string_view key);
  /// One of `known`; anything else is a fault that names the nearest.
  std::optional<std::string> word(std::string_view key, std::span<const std::string> known);
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least,
                                      std::int64_t most = std::numeric_limits<std::int64_t>::max());
  std::optional<bool> boolean(std::string_view key);
  /// A string of digits, an integer, or a floating number with a short decimal text.
  std::optional<Decimal> decimal(std::string_view key);
  /// A number within [least, most]; for settings, not for money.
  std::optional<double> number(std::string_view key, double least, double most);
  std::optional<Instant> instant(std::string_view key);
  /// Array of strings; a single string counts as an array of one.
  std::vector<std::string> strings(std::string_view key);

  /// The raw value, or nullptr; marks the key as known.
  const TomlNode* find(std::string_view key);
  const TomlNode* table(std::string_view key);
  /// Array of tables; a single table counts as an array of one.
  std::vector<const TomlNode*> tables(std::string_view key);

  /// Where the key's value stands, or the table itself if the key is absent.
  [[nodiscard]] TomlPosition at(std::string_view key) const;
  [[nodiscard]] const std::string& what() const { return what_; }
  void rename(std::string what) { what_ = std::move(what); }
  FaultLog& faults() { return *faults_; }

  void finish();

 private:
  const TomlNode* expect(std::string_view key, TomlKind kind);
  void wrong_type(std::string_view key, const TomlNode& value, std::string_view wanted);

  const TomlNode* table_;
  std::string what_;
  FaultLog* faults_;
  std::vector<std::string> asked_;
};

}  // namespace turnpike::catalog
