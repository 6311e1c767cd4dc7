// The tools of a Responses request, wherever the client put them: in `tools`, inside namespaces, or
// in input items (Codex's additional_tools).
//
// Other dialects have one flat list, so a tool inside a namespace goes by another name there:
//   flat := name | namespace "__" name, within 64 bytes
// It depends on nothing but namespace and name (and on a plain tool of the same name, if there is
// one), so that calls in the history keep their names over all turns.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect/ir.hpp"
#include "dialect/losses.hpp"
#include "turnpike/error.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

class ResponsesTools {
 public:
  /// Views in the tools point into the body. Hosted tools are left out and counted in `losses`. 400
  /// missing_field for a tool without a name.
  static Result<ResponsesTools> read(const wire::JsonFields& body, Losses& losses);

  [[nodiscard]] const std::vector<ir::Tool>& list() const { return tools_; }
  [[nodiscard]] std::vector<ir::Tool> take() { return std::move(tools_); }
  /// The flat name of a tool as the history or a tool choice names it. One that is not declared
  /// (any more) gets the name it would have; a bare name that only a namespace knows means that
  /// one.
  [[nodiscard]] std::string flat_name(const std::string& name_space, const std::string& name) const;

 private:
  Result<void> add_entries(wire::JsonView entries, const std::string& param, Losses& losses);
  Result<void> add_namespace(const wire::JsonFields& entry, const std::string& param,
                             Losses& losses);
  Result<void> add(ir::Tool tool, const std::string& param);
  void name_all();

  std::vector<ir::Tool> tools_;
  std::map<std::pair<std::string, std::string>, std::string> flat_;  // (namespace, name)
  std::map<std::string, std::string>
      bare_;  // name inside a namespace -> flat name; "" if several have it
};

}  // namespace turnpike::dialect
