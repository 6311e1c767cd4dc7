// Whatever stands in turnpike.toml, it is refused with faults that name a place in it, or it is a
// configuration that is safe to start with.
//
//   setting := 4 bytes unused
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike;
  using namespace turnpike::fuzz;
  const Input input = read_input(data, size);
  const auto read = app::read_config(input.text, "/etc/turnpike/turnpike.toml");
  if (!read) {
    const auto lines = 1 + std::ranges::count(input.text, '\n');
    require(catalog::has_errors(read.error()), "what is refused has an error");
    for (const auto& fault : read.error()) {
      require(!fault.file.empty() && !fault.message.empty(), "a fault names its file and reason");
      require(fault.line >= 0 && fault.line <= lines + 1, "and a place in it");
    }
    return 0;
  }
  const auto loopback = [](const std::string& host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
  };
  require(loopback(read->admin.host), "the operator's door is on loopback: " + read->admin.host);
  require(!read->insecure_allow_anonymous || loopback(read->listen.host),
          "nobody but this machine comes in without a key");
  require(read->data.is_absolute() && read->providers.is_absolute(),
          "paths are found from anywhere");
  require(read->threads >= 0 && read->drain_deadline.count() >= 0, "numbers are in range");
  return 0;
}
