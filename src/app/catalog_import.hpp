// `turnpike catalog import`: a public catalog's prices into provider files. Shows what would
// change; with --write, changes it.
#pragma once

#include <string>
#include <vector>

#include "app/commands.hpp"

namespace turnpike::app {

struct CatalogImportOptions {
  std::string file;  // JSON as https://models.dev/api.json; "-": standard input
  std::string from;  // day on which new prices begin; empty: today
  std::vector<std::string>
      models;                    // wildcards on provider/model; empty: all that are in providers/
  std::vector<std::string> add;  // wildcards on provider/model: models that are there and not here
  bool limits = false;           // take over context windows and output limits, too
  bool force = false;            // believe implausible changes
  bool write = false;
};
/// 0: nothing differs, or all that does was shown or written. 1: something is left to a person, or
/// failed.
int run_catalog_import(const Config& config, const Clock& clock,
                       const CatalogImportOptions& options, Output output);

}  // namespace turnpike::app
