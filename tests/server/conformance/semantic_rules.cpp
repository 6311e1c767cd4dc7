#include "rule.hpp"

namespace turnpike::server::test {

namespace {

std::string old(const std::string& fields) { return "GET /echo HTTP/1.0\r\n" + fields + "\r\n"; }
std::string expecting(const std::string& what, const std::string& path = "/echo") {
  return "POST " + path + " HTTP/1.1\r\nHost: a\r\nExpect: " + what +
         "\r\nContent-Length: 2\r\n\r\n";
}

std::vector<Rule> version_rules() {
  return {
      {"9110 2.5", "HTTP/1.1", line("GET /echo HTTP/1.1"), "200 kept"},
      {"9110 2.5", "HTTP/1.0", line("GET /echo HTTP/1.0"), "200 closed"},
      {"9112 2.3", "the name is case-sensitive", line("GET /echo http/1.1"), "505 closed"},
      {"9110 15.6.6", "no other major version", line("GET /echo HTTP/2.0"), "505 closed"},
      {"spec 12", "no other minor version", line("GET /echo HTTP/1.2"), "505 closed"},
      {"9112 2.3", "one digit each", line("GET /echo HTTP/1.10"), "505 closed"},
      {"9112 2.3", "and a slash", line("GET /echo HTTP1.1"), "505 closed"},
      {"spec 12", "no HTTP/0.9", "GET /echo\r\n", "505 closed"},
      {"9113 3.4", "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 closed"},
  };
}

std::vector<Rule> connection_rules() {
  return {
      {"9112 9.3", "HTTP/1.1 persists", get("") + get(""), "200 200 kept"},
      {"9112 9.3.2", "requests sent ahead are answered in order",
       line("GET /echo?1 HTTP/1.1") + line("GET /echo?2 HTTP/1.1") + line("GET /echo?3 HTTP/1.1"),
       "200 200 200 kept", "/echo?3"},
      {"9112 9.6", "close is honoured", get("Connection: close\r\n"), "200 closed",
       "connection: close"},
      {"9112 9.6", "and nothing behind it is read", get("Connection: close\r\n") + get(""),
       "200 closed"},
      {"9110 7.6.1", "options know no case", get("Connection: ClOsE\r\n"), "200 closed"},
      {"9110 7.6.1", "options are a list", get("Connection: x-thing , close\r\n"), "200 closed"},
      {"9110 5.6.1", "a list may have empty elements", get("Connection: , ,close,\r\n"),
       "200 closed"},
      {"9110 5.3", "over several fields", get("Connection: x-thing\r\nConnection: close\r\n"),
       "200 closed"},
      {"9112 9.3", "close outweighs keep-alive", get("Connection: keep-alive, close\r\n"),
       "200 closed"},
      {"9112 9.3", "another option is not close", get("Connection: closed\r\n"), "200 kept"},
      {"9112 9.3", "HTTP/1.0 does not persist", old("") + old(""), "200 closed"},
      {"9112 9.3", "unless asked to", old("Connection: keep-alive\r\n"), "200 kept",
       "connection: keep-alive"},
      {"9112 9.3", "and then is told so", old("Connection: Keep-Alive\r\n") + old(""),
       "200 200 closed"},
      {"9112 9.3", "a body that is refused is never read as a request",
       "POST /denied HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(get("").size()) +
           "\r\n\r\n" + get(""),
       "401 closed"},
      {"9112 9.3", "a refusal without a body costs no connection", line("GET /denied HTTP/1.1"),
       "401 kept"},
  };
}

std::vector<Rule> method_rules() {
  return {
      {"9110 9.1", "GET", line("GET /echo HTTP/1.1"), "200 kept", "GET /echo"},
      {"9110 9.3.2", "HEAD has no content, but its length", line("HEAD /echo HTTP/1.1"), "200 kept",
       "content-length: 11"},
      {"9110 9.3.3", "POST", post("Content-Length: 2\r\n") + "ok", "200 kept", "POST /echo ok"},
      {"9110 9.1", "any token is a method", line("M-SEARCH /echo HTTP/1.1"), "200 kept",
       "M-SEARCH"},
      {"9110 9.3.6", "no CONNECT", line("CONNECT a:443 HTTP/1.1"), "405 closed", "allow:"},
      {"9110 9.3.8", "no TRACE", line("TRACE /echo HTTP/1.1"), "405 closed", "allow:"},
      {"9110 15.3.5", "204 has no content", line("GET /no-content HTTP/1.1"), "204 kept"},
      {"9112 6.1", "a stream to HTTP/1.0 is not chunked", "GET /stream?3 HTTP/1.0\r\n\r\n",
       "200 closed"},
  };
}

std::vector<Rule> expectation_rules() {
  return {
      {"9110 10.1.1", "100-continue is answered before the body", expecting("100-continue"),
       "100 waits", "", false},
      {"9110 10.1.1", "it knows no case", expecting("100-CONTINUE"), "100 waits", "", false},
      {"9110 10.1.1", "a body that is there needs none", expecting("100-continue") + "ok",
       "200 kept", " ok", false},
      {"9110 10.1.1", "a refusal comes instead", expecting("100-continue", "/denied"),
       "401 closed"},
      {"9110 10.1.1", "no body, nothing to go on with", get("Expect: 100-continue\r\n"),
       "200 kept"},
      {"9110 10.1.1", "HTTP/1.0 has no such thing",
       "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "waits"},
      {"9110 10.1.1", "other expectations are 417", expecting("200-maybe") + "ok", "417 closed"},
      {"9110 10.1.1", "one of them is enough", expecting("100-continue, x") + "ok", "417 closed"},
  };
}

std::vector<Rule> upgrade_rules() {
  return {
      {"9110 7.8", "Upgrade without Connection is ignored", get("Upgrade: websocket\r\n"),
       "200 kept"},
      {"9110 7.8", "unknown protocols are ignored", get("Connection: upgrade\r\nUpgrade: x/1\r\n"),
       "200 kept"},
      {"9110 7.8", "so is h2c",
       get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
       "200 kept"},
      {"9110 7.8", "on HTTP/1.0 it MUST be", old("Connection: upgrade\r\nUpgrade: websocket\r\n"),
       "200 closed"},
  };
}

}  // namespace

std::vector<Rule> semantic_rules() {
  std::vector<Rule> all;
  for (auto& part :
       {version_rules(), connection_rules(), method_rules(), expectation_rules(), upgrade_rules()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace turnpike::server::test
