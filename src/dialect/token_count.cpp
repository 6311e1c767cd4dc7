#include "dialect/token_count.hpp"

#include "wire/json_check.hpp"
#include "wire/json_document.hpp"
#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

std::string token_count_body(Dialect client, std::int64_t tokens) {
  std::string out;
  wire::JsonWriter json{out};
  json.begin_object()
      .member(client == Dialect::gemini_generate ? "totalTokens" : "input_tokens", tokens)
      .end_object();
  return out;
}

Result<std::int64_t> read_token_count(Dialect provider, std::string_view body) {
  const auto missing = [] {
    return std::unexpected{upstream_error(502, Retry::never, "bad_upstream",
                                          "The provider's token count cannot be read.")};
  };
  if (wire::check_json(body, wire::json_depth_max).fault) return missing();
  const wire::JsonFields fields{wire::JsonView{body}};
  const auto tokens =
      fields[provider == Dialect::gemini_generate ? "totalTokens" : "input_tokens"].integer();
  if (!tokens || *tokens < 0) return missing();
  return *tokens;
}

}  // namespace turnpike::dialect
