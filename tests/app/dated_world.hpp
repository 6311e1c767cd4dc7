// An invented provider whose prices change on 2026-12-01, and a policy that names its models.
#pragma once

#include <catch2/catch.hpp>

#include <string>

#include "catalog/catalog.hpp"
#include "catalog/folder.hpp"
#include "policy/policy.hpp"

namespace turnpike::test {

constexpr auto dated_provider = R"([provider]
id = "acme"
dialect = "openai-chat"
base_url = "https://acme.example"
)";

inline std::string dated_model(const std::string& id, const std::string& more, const std::string& prices) {
  return "[[model]]\nid = \"" + id + "\"\ncontext_tokens = 1000000\noutput_tokens_max = 1000\nas_of = 2026-01-01\nsource = \"t\"\n" + more + prices;
}

inline std::string dated_price(const std::string& from, int input, const std::string& more = "") {
  const auto text = std::to_string(input);
  return "[[model.price]]\nfrom = " + from + "\ninput_per_mtok = \"" + text + "\"\ncached_per_mtok = \"" + text + "\"\noutput_per_mtok = \"" + text + "\"\n" + more;
}

inline std::string dated_peak(int input) {
  const auto text = std::to_string(input);
  return "[[model.price.window]]\nname = \"peak\"\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]\nutc = [\"06:00-10:00\"]\ninput_per_mtok = \"" +
         text + "\"\ncached_per_mtok = \"" + text + "\"\noutput_per_mtok = \"" + text + "\"\n";
}

/// flash: 1 off-peak and 2 at peak (weekdays 06:00-10:00) until December, then 3 and 6; twin: a new interval that changes
/// nothing; free: nothing until December, then 5; old: retired in December, flash takes over; lone: retired, nobody does.
inline catalog::Catalog dated_catalog() {
  const Folder folder;
  folder.write("acme.toml", std::string{dated_provider} + dated_model("flash", "", dated_price("2026-01-01", 1, dated_peak(2)) + dated_price("2026-12-01", 3, dated_peak(6))) +
                                dated_model("twin", "", dated_price("2026-01-01", 1) + dated_price("2026-12-01", 1) + dated_price("2027-02-01", 4)) +
                                dated_model("free", "", dated_price("2026-01-01", 0) + dated_price("2026-12-01", 5)) +
                                dated_model("old", "retired_at = 2026-12-01\nsuccessor = \"acme/flash\"\n", dated_price("2026-01-01", 7)) +
                                dated_model("lone", "retired_at = 2026-12-01\n", dated_price("2026-01-01", 7)) + dated_model("steady", "", dated_price("2026-01-01", 9)));
  auto catalog = catalog::Catalog::load(folder.path(), {});
  if (!catalog) FAIL(to_string(catalog.error().front()));
  return std::move(*catalog);
}

inline policy::Policy dated_policy(const catalog::Catalog& catalog) {
  const Folder folder;
  const auto file = folder.write("test.toml", R"([policy]
name = "test"
client_pins = "allowed"
[[tier]]
name = "bulk"
order = "cheapest"
targets = ["acme/free", "acme/flash", "acme/old"]
[[tier]]
name = "frontier"
targets = ["acme/steady"]
fallback = ["tier:bulk"]
[models]
"auto" = "auto"
)");
  auto policy = policy::Policy::load(file, catalog, {.now = at("2026-11-22T12:00:00Z")});
  if (!policy) FAIL(to_string(policy.error().front()));
  return std::move(*policy);
}

}  // namespace turnpike::test
