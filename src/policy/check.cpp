#include "policy/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "policy/policy.hpp"

namespace turnpike::policy {
namespace {

std::vector<std::filesystem::path> policy_files(const std::filesystem::path& folder,
                                                std::vector<Fault>& faults) {
  std::error_code failure;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator it{folder, failure}, end; !failure && it != end;
       it.increment(failure)) {
    if (it->path().extension() == ".toml") files.push_back(it->path());
  }
  if (failure)
    faults.push_back({folder.generic_string(), 0, 0, failure.message(), catalog::Severity::error});
  std::sort(files.begin(), files.end());
  return files;
}

bool is_active(const std::filesystem::path& file, std::string_view active) {
  return file.stem() == active || file.filename() == active ||
         file.lexically_normal() == std::filesystem::path{active}.lexically_normal();
}

void append(std::vector<Fault>& all, const std::vector<Fault>& some) {
  all.insert(all.end(), some.begin(), some.end());
}

}  // namespace

std::vector<Fault> check_all(const std::filesystem::path& providers_dir,
                             const std::filesystem::path& policies_dir, std::string_view active,
                             const catalog::LoadOptions& options, Instant now) {
  // Without a catalog no model's name in a policy can be judged, but everything else can.
  const auto loaded = catalog::Catalog::load(providers_dir, options);
  const catalog::Catalog nothing;
  const catalog::Catalog& catalog = loaded ? *loaded : nothing;
  std::vector<Fault> faults = loaded ? loaded->warnings() : loaded.error();
  auto files = policy_files(policies_dir, faults);
  bool found = std::any_of(files.begin(), files.end(),
                           [&](const auto& file) { return is_active(file, active); });
  if (!found &&
      std::filesystem::path{active}.has_parent_path()) {  // a policy kept outside the folder
    files.emplace_back(active);
    found = true;
  }
  for (const auto& file : files) {
    const auto severity =
        is_active(file, active) ? catalog::Severity::error : catalog::Severity::warning;
    const auto policy = Policy::load(file, catalog, {now, severity, loaded.has_value()});
    append(faults, policy ? policy->warnings() : policy.error());
  }
  if (!found)
    faults.push_back({policies_dir.generic_string(), 0, 0,
                      fmt::format("holds no policy \"{}\"", active), catalog::Severity::error});
  catalog::sort_faults(faults);
  return faults;
}

}  // namespace turnpike::policy
