#include "app/completion.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <vector>

namespace turnpike::app {
namespace {

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
}

/// Long options of the verb; `--help` goes without saying.
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) {
    return !option->get_lnames().empty() && option->get_lnames().front() != "help";
  });
}

/// Calls visit(words so far, verb) for the root and every verb below it.
template <typename Visit>
void walk(const CLI::App& app, const std::string& words, const Visit& visit) {
  visit(words, app);
  for (const auto* verb : verbs_of(app))
    walk(*verb, words.empty() ? verb->get_name() : words + " " + verb->get_name(), visit);
}

// The words that name a verb, without options and their values, decide what may follow. What is
// typed behind the verb itself (an id, a budget) leads to no other verb, so the longest known
// beginning counts.
constexpr std::string_view bash_comment =
    R"sh(# bash completion of turnpike: eval "$(turnpike completion bash)"
# zsh: autoload -U bashcompinit && bashcompinit, then the same line.
)sh";
constexpr std::string_view bash_head = R"sh(_turnpike() {
  local current="${COMP_WORDS[COMP_CWORD]}" verb="" word words i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    case "$word" in -*) continue ;; esac
    case " $(_turnpike_verbs) " in *" ${verb:+$verb/}$word "*) verb="${verb:+$verb/}$word" ;; esac
  done
  case "$verb" in
)sh";
constexpr std::string_view bash_tail = R"sh(  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ "${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _turnpike turnpike
)sh";

std::string slashed(std::string words) {
  for (char& c : words) c = c == ' ' ? '/' : c;
  return words;
}

std::string bash_script(const CLI::App& root) {
  std::string verbs;
  std::string cases;
  walk(root, "", [&](const std::string& path, const CLI::App& app) {
    std::string words;
    for (const auto* verb : verbs_of(app)) words += verb->get_name() + " ";
    for (const auto* option : options_of(app)) words += "--" + option->get_lnames().front() + " ";
    if (!path.empty()) verbs += slashed(path) + " ";
    cases += fmt::format("    \"{}\") words=\"{}{}--help\" ;;\n", slashed(path), words,
                         path.empty() ? "" : "--json --config ");
  });
  return fmt::format("{}_turnpike_verbs() {{ echo \"{}\"; }}\n{}{}{}", bash_comment, verbs,
                     bash_head, cases, bash_tail);
}

/// For a text in single quotes.
std::string fish_quoted(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted;
}

std::string fish_script(const CLI::App& root) {
  std::string script = "# fish completion of turnpike: turnpike completion fish | source\n";
  walk(root, "", [&](const std::string& path, const CLI::App& app) {
    std::string seen = path.empty() ? "__fish_use_subcommand" : "";
    for (std::size_t begin = 0; begin < path.size();) {
      const auto end = std::min(path.find(' ', begin), path.size());
      seen += fmt::format("{}__fish_seen_subcommand_from {}", seen.empty() ? "" : "; and ",
                          path.substr(begin, end - begin));
      begin = end + 1;
    }
    for (const auto* verb : verbs_of(app)) {
      script += fmt::format("complete -c turnpike -n '{}' -f -a {} -d '{}'\n", seen,
                            verb->get_name(), fish_quoted(verb->get_description()));
    }
    for (const auto* option : options_of(app)) {
      script += fmt::format("complete -c turnpike{} -l {} -d '{}'\n",
                            path.empty() ? "" : fmt::format(" -n '{}'", seen),
                            option->get_lnames().front(), fish_quoted(option->get_description()));
    }
  });
  return script;
}

}  // namespace

std::string completion_script(const CLI::App& root, std::string_view shell) {
  if (shell == "bash" || shell == "zsh") return bash_script(root);
  return shell == "fish" ? fish_script(root) : std::string{};
}

}  // namespace turnpike::app
