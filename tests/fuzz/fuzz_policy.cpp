// Whatever stands in a policy file, it is refused with faults that name a place in it, or it is a
// policy that decides.
//
//   setting := number of the situation (low 2 bits), 3 bytes unused
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"
#include "policy/decide.hpp"
#include "policy/policy.hpp"

namespace turnpike::fuzz {
namespace {

constexpr auto providers = R"([provider]
id = "cheap"
dialect = "openai-chat"
base_url = "https://cheap.example"
[[model]]
id = "flash"
aliases = ["quick"]
context_tokens = 100000
output_tokens_max = 1000
capabilities = ["tools"]
as_of = 2026-01-01
source = "t"
[[model.price]]
from = 2026-01-01
input_per_mtok = 1
cached_per_mtok = "0.1"
output_per_mtok = 4
[[model]]
id = "pro"
context_tokens = 1000000
output_tokens_max = 1000
capabilities = ["tools", "vision", "reasoning"]
as_of = 2026-01-01
source = "t"
[[model.price]]
from = 2026-01-01
input_per_mtok = 20
cached_per_mtok = 2
output_per_mtok = 80
)";

const catalog::Catalog& world() {
  static const catalog::Catalog all = [] {
    const catalog::Catalog::File file{"cheap.toml", providers};
    auto read = catalog::Catalog::read({&file, 1});
    require(read.has_value(), read ? "" : to_string(read.error().front()));
    return std::move(*read);
  }();
  return all;
}

Instant now() { return std::chrono::sys_days{std::chrono::year{2026} / 6 / 1}; }

/// Beyond the last line is the end of the file, where a value that is missing is missed.
void check_faults(const std::vector<catalog::Fault>& faults, std::string_view text) {
  const auto lines = 1 + std::ranges::count(text, '\n');
  for (const auto& fault : faults) {
    require(fault.file == "p.toml" && !fault.message.empty(), "a fault names its file and reason");
    require(fault.line >= 0 && fault.line <= lines + 1 && fault.column >= 0, "and a place in it");
  }
}

void check_decision(const policy::Policy& policy, unsigned number) {
  RequestFacts facts;
  Difficulty difficulty;
  Allowance allowance;
  Account account;
  RouteInputs inputs;
  facts.model = number == 1 ? "quick" : "auto";
  facts.needs.vision = number == 2;
  difficulty.score = number == 2 ? 0.95F : 0.2F;
  difficulty.confidence = 1;
  if (number == 3) inputs.stay = Stay{.target = "cheap/flash", .tier = "bulk", .steps = 3};
  const policy::Situation situation{facts, difficulty, allowance, account, inputs, now()};
  const auto decision = policy::decide(policy, world(), situation);
  if (!decision) return require(!decision.error().code.empty(), "a refusal has a code");
  require(!decision->candidates.empty(), "a decision has someone to ask");
  for (const auto& candidate : decision->candidates)
    require(world().find(candidate.provider + "/" + candidate.model) != nullptr, "whom we know");
}

}  // namespace
}  // namespace turnpike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike;
  using namespace turnpike::fuzz;
  const Input input = read_input(data, size);
  const auto read = policy::Policy::read(input.text, "p.toml", world(), {.now = now()});
  if (!read) {
    require(catalog::has_errors(read.error()), "what is refused has an error");
    check_faults(read.error(), input.text);
    return 0;
  }
  require(!read->tiers.empty(), "a policy has a tier");
  check_faults(read->warnings(), input.text);
  check_decision(*read, input.setting[0] & 3U);
  return 0;
}
