// Whatever stands in a provider file, it is refused with faults that name a place in it, or it is a
// catalog that answers: prices in force agree with quotes, and changes lie ahead.
//
//   setting := day to ask for (2 bytes), 2 bytes unused
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.hpp"
#include "catalog/price.hpp"
#include "fuzz_target.hpp"
#include "turnpike/upstream.hpp"

namespace turnpike::fuzz {
namespace {

void check_faults(const std::vector<catalog::Fault>& faults, std::string_view text) {
  const auto lines = 1 + std::ranges::count(text, '\n');
  for (const auto& fault : faults) {
    require(fault.file == "p.toml" && !fault.message.empty(), "a fault names its file and reason");
    require(fault.line >= 0 && fault.line <= lines + 1 && fault.column >= 0, "and a place in it");
  }
}

void check_model(const catalog::Catalog& catalog, const catalog::Model& model, Instant now) {
  require(catalog.find(model.target()) == &model, "a model is found by its name");
  require(!model.dialects.empty(), "and is reached in some dialect");
  const bool on_sale = !catalog.unusable(model, now).has_value();
  const auto price = catalog::price_at(model.prices, now);
  require(price.has_value() == on_sale, "it is on sale while it has a price");
  const auto candidate = catalog.candidate(model, now, std::chrono::seconds{600});
  require(candidate.has_value() == on_sale, "and can be asked then");
  if (candidate) {
    const auto endpoint = catalog.endpoint(candidate->provider, candidate->dialect);
    require(endpoint != nullptr, "where it is reached");
    const bool safe =
        endpoint->base_url.starts_with("https://") || endpoint->base_url.starts_with("http://");
    require(safe, "over http: " + endpoint->base_url);
    require(endpoint->base_url.find_first_of("\r\n\t @") == std::string::npos,
            "at a clean address");
  }
  const auto next = catalog.next_price_change(model, now);
  require(!next || *next > now, "the next price lies ahead");
}

}  // namespace
}  // namespace turnpike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike;
  using namespace turnpike::fuzz;
  const Input input = read_input(data, size);
  const catalog::Catalog::File file{"p.toml", std::string{input.text}};
  const auto read = catalog::Catalog::read({&file, 1});
  if (!read) {
    require(catalog::has_errors(read.error()), "what is refused has an error");
    check_faults(read.error(), input.text);
    return 0;
  }
  check_faults(read->warnings(), input.text);
  const Instant now = std::chrono::sys_days{std::chrono::year{2025} / 1 / 1} +
                      std::chrono::hours{(input.setting[0] << 8U) + input.setting[1]};
  std::size_t looked_at = 0;
  for (const auto& model : read->models()) {
    check_model(*read, model, now);
    if (++looked_at == 3) break;
  }
  return 0;
}
