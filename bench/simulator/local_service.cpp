#include "local_service.hpp"

namespace turnpike::simulator {

Refusal local_refusal(int status, const std::string& message, bool plain) {
  const std::string type = status == 404   ? "NotFoundError"
                           : status == 429 ? "RateLimitError"
                           : status >= 500 ? "InternalServerError"
                                           : "BadRequestError";
  const Json body =
      plain
          ? Json{{"detail", message}}
          : Json{
                {"error",
                 Json{{"message", message}, {"type", type}, {"param", nullptr}, {"code", status}}}};
  return {status, body.dump(), {{"Content-Type", "application/json"}}};
}

std::string local_failure_text(int status, const Directives& wishes) {
  std::string message = "Internal server error";
  if (status == 400) message = "Bad request";
  if (status == 404) message = "The model does not exist.";
  if (status == 429) message = "Server busy, please try again later";
  if (status == 503) message = "The server is loading the model";
  return wishes.text("message", message);
}

bool wants_plain_errors(const HttpRequest& request) {
  return request.body.find("error_shape=detail") != std::string::npos;
}

}  // namespace turnpike::simulator
