#include "rule.hpp"

namespace turnpike::server::test {

namespace {

const std::string fold = "x: y\r\n z\r\n";

std::vector<Rule> line_rules() {
  using namespace std::string_literals;
  return {
      {"9112 2.1", "a request is a request line, fields, an empty line", get(""), "200 kept"},
      {"9112 2.2", "one empty line before the request line is ignored", "\r\n" + get(""),
       "200 kept"},
      {"spec 12", "a second one is not", "\r\n\r\n" + get(""), "400 closed"},
      {"9112 2.2", "a request line that is not finished is waited for", "GET /echo HTTP/1.1",
       "waits"},
      {"9112 2.2", "so is a head without its empty line", "GET /echo HTTP/1.1\r\nHost: a\r\n",
       "waits"},
      {"9112 2.2", "a bare CR ends no line", "GET /echo HTTP/1.1\rHost: a\r\n\r\n", "400 closed"},
      {"9112 2.2", "a bare CR stands in no field value", get("x: y\rz\r\n"), "400 closed"},
      {"9112 2.2", "a CR before CRLF is bare", get("x: y\r\r\n"), "400 closed"},
      {"spec 12", "a bare LF ends no request line", "GET /echo HTTP/1.1\nHost: a\r\n\r\n",
       "400 closed"},
      {"spec 12", "a bare LF ends no field", get("x: y\n"), "400 closed"},
      {"spec 12", "a bare LF ends no head", "GET /echo HTTP/1.1\r\nHost: a\r\n\n", "400 closed"},
      {"9112 2.2", "no whitespace before the first field", with_host(" Host: a\r\n"), "400 closed"},
      {"9112 2.2", "nor a tab", with_host("\tHost: a\r\n"), "400 closed"},
      {"9112 2.2", "nor a line of whitespace alone", with_host(" \r\nHost: a\r\n"), "400 closed"},
      {"9110 5.5", "no NUL in the request line", "GET /e\0cho HTTP/1.1\r\nHost: a\r\n\r\n"s,
       "400 closed"},
      {"spec 12", "a TLS handshake is no request", "\x16\x03\x01\x02", "400 closed"},
  };
}

std::vector<Rule> request_line_rules() {
  return {
      {"9112 3", "three parts, parted by single spaces", line("GET /echo HTTP/1.1"), "200 kept"},
      {"9112 3", "whitespace before the method", " " + get(""), "400 closed"},
      {"9112 3", "two spaces behind the method", line("GET  /echo HTTP/1.1"), "400 closed"},
      {"9112 3", "a tab is no space", line("GET\t/echo HTTP/1.1"), "400 closed"},
      {"9112 3", "two spaces before the version", line("GET /echo  HTTP/1.1"), "400 closed"},
      {"9112 3", "a space behind the version", line("GET /echo HTTP/1.1 "), "400 closed"},
      {"9112 3", "no method", line("/echo HTTP/1.1"), "400 closed"},
      {"9112 3.1", "a method is a token", line("GE(T /echo HTTP/1.1"), "400 closed"},
      {"9112 3.1", "a method has no colon", line("GET: /echo HTTP/1.1"), "400 closed"},
      {"9112 3.1", "methods are case-sensitive", line("get /echo HTTP/1.1"), "200 kept",
       "get /echo"},
      {"9112 3.2", "no whitespace inside the target", line("GET /ec ho HTTP/1.1"), "400 closed"},
      {"9112 3.2", "an empty target", line("GET  HTTP/1.1"), "400 closed"},
      {"9112 3.2", "a target has no fragment", line("GET /echo#x HTTP/1.1"), "400 closed"},
      {"spec 12", "no backslash in a target", line("GET /echo\\x HTTP/1.1"), "400 closed"},
      {"spec 12", "no control byte in a target", line("GET /ec\x01ho HTTP/1.1"), "400 closed"},
      {"spec 12", "no DEL in a target", line("GET /ec\x7fho HTTP/1.1"), "400 closed"},
      {"spec 12", "no byte beyond ASCII in a target", line("GET /echo\xc3\xa9 HTTP/1.1"),
       "400 closed"},
      {"9112 3.2", "no byte that URIs must encode", line("GET /echo\"<> HTTP/1.1"), "400 closed"},
      {"9112 3.2", "a percent sign stands before two digits", line("GET /echo%2 HTTP/1.1"),
       "400 closed"},
      {"9112 3.2", "hexadecimal ones", line("GET /echo%zz HTTP/1.1"), "400 closed"},
      {"9112 3.2.1", "origin-form: path and query", line("GET /echo?a=b&c=%2F HTTP/1.1"),
       "200 kept", "GET /echo?a=b&c=%2F"},
      {"9112 3.2.1", "a query may hold what paths may, '/' and '?'",
       line("GET /echo?/?;:@!$'()*+, HTTP/1.1"), "200 kept", "/echo?/?;:@!$'()*+,"},
      {"9112 3.2.1", "a target without slash is no path", line("GET echo HTTP/1.1"), "400 closed"},
      {"9112 3.2.2", "absolute-form is accepted", line("GET http://a/echo HTTP/1.1"), "200 kept",
       "GET /echo"},
      {"9112 3.2.2", "scheme and host in any case", line("GET HTTP://A/echo HTTP/1.1"), "200 kept"},
      {"9112 3.2.2", "an empty path is '/'", line("GET http://a HTTP/1.1"), "200 kept", "GET / "},
      {"9110 4.2.3", "also before a query", line("GET http://a?x HTTP/1.1"), "200 kept",
       "GET /?x "},
      {"spec 12", "its authority is the Host's", line("GET http://b/echo HTTP/1.1"), "400 closed"},
      {"spec 12", "port included", line("GET http://a:81/echo HTTP/1.1"), "400 closed"},
      {"9110 4.2.4", "no user in it", line("GET http://u@a/echo HTTP/1.1"), "400 closed"},
      {"9110 4.2.1", "no empty host in it", line("GET http:///echo HTTP/1.1"), "400 closed"},
      {"9112 3.2.2", "no other scheme", line("GET ftp://a/echo HTTP/1.1"), "400 closed"},
      {"9112 3.2.3", "authority-form is CONNECT's alone", line("GET a:80 HTTP/1.1"), "400 closed"},
      {"9112 3.2.4", "asterisk-form is OPTIONS's alone", line("GET * HTTP/1.1"), "400 closed"},
      {"9112 3", "a target of 8 KiB is read",
       line("GET /echo?" + std::string(8186, 'x') + " HTTP/1.1"), "200 kept"},
      {"9112 3", "a longer one is 414", line("GET /" + std::string(9215, 'x') + " HTTP/1.1"),
       "414 closed"},
      {"9112 3", "also if its line never ends", "GET /" + std::string(40'000, 'x'), "414 closed"},
  };
}

std::vector<Rule> host_rules() {
  return {
      {"9112 3.2", "HTTP/1.1 needs a Host", with_host("x: y\r\n"), "400 closed"},
      {"9112 3.2", "also in absolute-form", "GET http://a/echo HTTP/1.1\r\n\r\n", "400 closed"},
      {"9112 3.2", "HTTP/1.0 does not", "GET /echo HTTP/1.0\r\n\r\n", "200 closed"},
      {"9112 3.2", "not two Hosts", with_host("Host: a\r\nHost: b\r\n"), "400 closed"},
      {"9112 3.2", "not two equal ones", with_host("Host: a\r\nhOST: a\r\n"), "400 closed"},
      {"9112 3.2", "not two on HTTP/1.0", "GET /echo HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
       "400 closed"},
      {"9112 3.2", "no list of hosts", with_host("Host: a,b\r\n"), "400 closed"},
      {"9110 7.2", "a host and a port", with_host("Host: a.example:8080\r\n"), "200 kept"},
      {"9110 7.2", "a port may be empty", with_host("Host: a.example:\r\n"), "200 kept"},
      {"9110 7.2", "an address in brackets", with_host("Host: [::1]:80\r\n"), "200 kept"},
      {"9110 7.2", "brackets close", with_host("Host: [::1\r\n"), "400 closed"},
      {"9110 7.2", "nothing behind them but a port", with_host("Host: [::1]x\r\n"), "400 closed"},
      {"9110 7.2", "no user", with_host("Host: user@a\r\n"), "400 closed"},
      {"9110 7.2", "no path", with_host("Host: a/b\r\n"), "400 closed"},
      {"9110 7.2", "no space", with_host("Host: a b\r\n"), "400 closed"},
      {"9110 7.2", "no port in letters", with_host("Host: a:http\r\n"), "400 closed"},
      {"9110 7.2", "no port above 65535", with_host("Host: a:65536\r\n"), "400 closed"},
      {"9110 4.2.1", "http has no empty host", with_host("Host:\r\n"), "400 closed"},
      {"9110 7.2", "no byte beyond ASCII", with_host("Host: \xc3\xa9\r\n"), "400 closed"},
  };
}

std::vector<Rule> field_rules() {
  using namespace std::string_literals;
  return {
      {"9112 5", "whitespace around a value is no part of it",
       post("Content-Length: \t 2 \t \r\n") + "ok", "200 kept", " ok"},
      {"9112 5", "a value needs no whitespace", post("Content-Length:2\r\n") + "ok", "200 kept",
       " ok"},
      {"9112 5", "a value may be empty", get("x-empty:\r\n"), "200 kept"},
      {"9112 5", "a line has a colon", get("nothing\r\n"), "400 closed"},
      {"9112 5.1", "no space between name and colon", get("x : y\r\n"), "400 closed"},
      {"9112 5.1", "no tab either", get("x\t: y\r\n"), "400 closed"},
      {"9112 5.1", "not even before the colon of a length", post("Content-Length : 2\r\n") + "ok",
       "400 closed"},
      {"9112 5.2", "obs-fold is refused", get(fold), "400 closed"},
      {"9112 5.2", "with a tab as well", get("x: y\r\n\tz\r\n"), "400 closed"},
      {"9112 5.2", "and behind an empty value", get("x:\r\n chunked\r\n"), "400 closed"},
      {"9110 5.1", "names know no case", post("cOnTeNt-LeNgTh: 2\r\n") + "ok", "200 kept", " ok"},
      {"9110 5.1", "a name is not empty", get(": y\r\n"), "400 closed"},
      {"9110 5.1", "a name is a token", get("x(y): z\r\n"), "400 closed"},
      {"9110 5.1", "without spaces", get("x y: z\r\n"), "400 closed"},
      {"9110 5.1", "of ASCII", get("x\xe9: z\r\n"), "400 closed"},
      {"9110 5.6.2", "of every token byte", get("!#$%&'*+-.^_`|~09azAZ: v\r\n"), "200 kept"},
      {"9110 5.1", "unknown fields are ignored", get("never-heard-of: x\r\n"), "200 kept"},
      {"9110 5.3", "fields may repeat", get("accept: a\r\naccept: b\r\n"), "200 kept"},
      {"9110 5.5", "NUL in a value", get("x: y\0z\r\n"s), "400 closed"},
      {"9110 5.5", "a control byte in a value", get("x: y\x01z\r\n"), "400 closed"},
      {"9110 5.5", "a vertical tab in a value", get("x: y\x0bz\r\n"), "400 closed"},
      {"9110 5.5", "DEL in a value", get("x: y\x7fz\r\n"), "400 closed"},
      {"9110 5.5", "a tab inside a value is whitespace", get("x: a\tb\r\n"), "200 kept"},
      {"9110 5.5", "obs-text is opaque", get("x: \xe9t\xe9\r\n"), "200 kept"},
      {"9110 5.5", "colons are part of a value", get("x: http://b:1/\r\n"), "200 kept"},
      {"spec 12", "100 fields are read", get(fields(99)), "200 kept"},
      {"6585 5", "101 are 431", get(fields(100)), "431 closed"},
      {"6585 5", "a head above 32 KiB is 431", get("x: " + std::string(33 * 1024, 'y') + "\r\n"),
       "431 closed"},
      {"6585 5", "also if its field never ends",
       "GET /echo HTTP/1.1\r\nHost: a\r\nx: " + std::string(40'000, 'y'), "431 closed"},
  };
}

}  // namespace

std::vector<Rule> message_rules() {
  std::vector<Rule> all;
  for (auto& part : {line_rules(), request_line_rules(), host_rules(), field_rules()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace turnpike::server::test
