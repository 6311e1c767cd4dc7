// How the journal's entries lie in SQLite: the schema, and each row as an Entry and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/entry.hpp"

struct sqlite3_stmt;

namespace turnpike::account {

/// Makes the tables of a new file.
extern const char* const schema_sql;
/// Version 1 had no tiers and no server tools.
extern const char* const upgrade_from_1_sql;

/// Names of the journal's columns, comma-separated, in the order of bind_entry() and row_entry().
std::string_view entry_columns();
std::string insert_entry_sql();
void bind_entry(sqlite3_stmt* insert, const Entry& entry);
Entry row_entry(sqlite3_stmt* row);

/// NULL for an empty text. `text` must live until the statement has been stepped.
void bind_text(sqlite3_stmt* statement, int column, std::string_view text);
std::string column_text(sqlite3_stmt* statement, int column);

/// checkpoint state := (length (4 bytes) entry)* seal; seal := ff ff ff ff, CRC32C (4 bytes) of what
/// is before it and of `last`, the journal's entry at the checkpoint: neither can be damaged unseen.
std::string pack(const std::vector<Entry>& entries, const Entry& last);
/// nullopt if it is damaged. States of old have no seal.
std::optional<std::vector<Entry>> unpack(std::string_view packed, const Entry& last);

}  // namespace turnpike::account
