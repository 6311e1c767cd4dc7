// Request heads and chunked bodies with the verdict that HTTP input rules demand; used against the
// guards alone and over real sockets. Sources: RFC 9110, RFC 9112; reliability specification 12 and
// test cases H1 to H8, H12.
#pragma once

#include <string>
#include <vector>

namespace turnpike::server::test {

inline constexpr int accepted = 0;

struct HttpCase {
  const char* name;
  std::string bytes;
  int status = accepted;  // of the refusal
};

inline std::string get(const std::string& fields) {
  return "GET /echo HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
inline std::string post(const std::string& fields) {
  return "POST /echo HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
inline std::string with_host(const std::string& fields) {
  return "GET /echo HTTP/1.1\r\n" + fields + "\r\n";
}
inline std::string line(const std::string& request_line) {
  return request_line + "\r\nHost: a\r\n\r\n";
}
inline std::string fields(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "x-" + std::to_string(i) + ": y\r\n";
  return text;
}

/// Heads without a body behind them.
inline std::vector<HttpCase> head_cases() {
  using namespace std::string_literals;
  return {
      // Request line.
      {"plain request", get("")},
      {"one empty line before the request line", "\r\n" + get("")},
      {"two empty lines before the request line", "\r\n\r\n" + get(""), 400},
      {"bare LF before the request line", "\n" + get(""), 400},
      {"space before the method", " " + get(""), 400},
      {"tab before the method", "\t" + get(""), 400},
      {"two spaces behind the method", line("GET  /echo HTTP/1.1"), 400},
      {"tab instead of space", line("GET\t/echo HTTP/1.1"), 400},
      {"two spaces before the version", line("GET /echo  HTTP/1.1"), 400},
      {"space behind the version", line("GET /echo HTTP/1.1 "), 400},
      {"space inside the target", line("GET /ec ho HTTP/1.1"), 400},
      {"method that is no token", line("GE(T /echo HTTP/1.1"), 400},
      {"method with a colon", line("GET: /echo HTTP/1.1"), 400},
      {"no method", line(" /echo HTTP/1.1"), 400},
      {"NUL in the request line", "GET /e\0cho HTTP/1.1\r\nHost: a\r\n\r\n"s, 400},
      {"control byte in the request line",
       line("GET /e\x01"
            "cho HTTP/1.1"),
       400},
      {"DEL in the request line",
       line("GET /e\x7f"
            "cho HTTP/1.1"),
       400},
      {"bare CR in the request line", line("GET /e\rcho HTTP/1.1"), 400},
      {"request line ends in LF", "GET /echo HTTP/1.1\nHost: a\r\n\r\n", 400},
      {"method CONNECT", line("CONNECT a:443 HTTP/1.1"), 405},
      {"method TRACE", line("TRACE /echo HTTP/1.1"), 405},
      {"method in lower case is another method", line("get /echo HTTP/1.1")},
      {"unknown method is for the handler to judge", line("BREW /echo HTTP/1.1")},
      // Version (H6).
      {"HTTP/1.0", "GET /echo HTTP/1.0\r\n\r\n"},
      {"HTTP/0.9 simple request", "GET /echo\r\n", 505},
      {"version HTTP/0.9", line("GET /echo HTTP/0.9"), 505},
      {"version HTTP/1.2", line("GET /echo HTTP/1.2"), 505},
      {"version HTTP/2.0", line("GET /echo HTTP/2.0"), 505},
      {"version HTTP/2", line("GET /echo HTTP/2"), 505},
      {"version in lower case", line("GET /echo http/1.1"), 505},
      {"version with two digits", line("GET /echo HTTP/1.10"), 505},
      {"version without slash", line("GET /echo HTTP1.1"), 505},
      {"version with letters", line("GET /echo HTTP/1.x"), 505},
      {"version missing, space left", "GET /echo \r\nHost: a\r\n\r\n", 505},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"start of a TLS handshake", "\x16\x03\x01\x02", 400},
      // Target.
      {"query and sub-delimiters", line("GET /echo?a=b&c=(d)*e,f;g:h@i!j$k'l+m HTTP/1.1")},
      {"percent-encoding", line("GET /echo%2Fx HTTP/1.1")},
      {"dot segments stay as they are", line("GET /a/../echo HTTP/1.1")},
      {"empty target", line("GET  HTTP/1.1"), 400},
      {"target with fragment", line("GET /echo#x HTTP/1.1"), 400},
      {"target with backslash", line("GET /echo\\x HTTP/1.1"), 400},
      {"target with non-ASCII bytes", line("GET /echo\xc3\xa9 HTTP/1.1"), 400},
      {"target with angle bracket", line("GET /echo<x HTTP/1.1"), 400},
      {"target with quote", line("GET /echo\"x HTTP/1.1"), 400},
      {"truncated percent-encoding", line("GET /echo%2 HTTP/1.1"), 400},
      {"percent-encoding that is not hex", line("GET /echo%zz HTTP/1.1"), 400},
      {"relative target", line("GET echo HTTP/1.1"), 400},
      {"asterisk for OPTIONS", line("OPTIONS * HTTP/1.1")},
      {"asterisk for GET", line("GET * HTTP/1.1"), 400},
      {"authority-form for GET", line("GET a:80 HTTP/1.1"), 400},
      {"absolute-form", line("GET http://a/echo HTTP/1.1")},
      {"absolute-form with https", line("GET https://a/echo HTTP/1.1")},
      {"absolute-form, case of scheme and host does not count", line("GET HTTP://A/echo HTTP/1.1")},
      {"absolute-form without path", line("GET http://a HTTP/1.1")},
      {"absolute-form with query and no path", line("GET http://a?x=1 HTTP/1.1")},
      {"absolute-form that differs from Host", line("GET http://b/echo HTTP/1.1"), 400},
      {"absolute-form whose port differs from Host", line("GET http://a:81/echo HTTP/1.1"), 400},
      {"absolute-form with userinfo", line("GET http://u@a/echo HTTP/1.1"), 400},
      {"absolute-form without authority", line("GET http:///echo HTTP/1.1"), 400},
      {"scheme and nothing else", line("GET http HTTP/1.1"), 400},
      {"scheme and colon", line("GET http: HTTP/1.1"), 400},
      {"absolute-form with another scheme", line("GET ftp://a/echo HTTP/1.1"), 400},
      {"target of 8 KiB", line("GET /" + std::string(8191, 'x') + " HTTP/1.1")},
      {"target of 9 KiB", line("GET /" + std::string(9215, 'x') + " HTTP/1.1"), 414},
      {"target that never ends", "GET /" + std::string(40'000, 'x'), 414},
      // Fields.
      {"field without value", get("x-empty:\r\n")},
      {"whitespace around a value", get("x-ows: \t v \t \r\n")},
      {"no whitespace before a value", get("x-none:v\r\n")},
      {"tab inside a value", get("x-tab: a\tb\r\n")},
      {"obs-text in a value", get("x-obs: \xe9t\xe9\r\n")},
      {"colon inside a value", get("x-url: http://b:1/\r\n")},
      {"every token byte in a name", get("!#$%&'*+-.^_`|~09azAZ: v\r\n")},
      {"repeated field that may repeat", get("accept: a\r\naccept: b\r\n")},
      {"bare LF ends a field", get("x: y\n"), 400},
      {"bare CR inside a value", get("x: y\rz\r\n"), 400},
      {"CR before CRLF", get("x: y\r\r\n"), 400},
      {"NUL in a value", get("x: y\0z\r\n"s), 400},
      {"0x01 in a value", get("x: y\x01z\r\n"), 400},
      {"0x7f in a value", get("x: y\x7fz\r\n"), 400},
      {"vertical tab in a value", get("x: y\x0bz\r\n"), 400},
      {"escape in a value", get("x: y\x1bz\r\n"), 400},
      {"obs-fold with space", get("x: y\r\n z\r\n"), 400},
      {"obs-fold with tab", get("x: y\r\n\tz\r\n"), 400},
      {"space before the colon", get("x : y\r\n"), 400},
      {"tab before the colon", get("x\t: y\r\n"), 400},
      {"space before the first field", with_host(" x: y\r\nHost: a\r\n"), 400},
      {"line without colon", get("nothing\r\n"), 400},
      {"empty field name", get(": y\r\n"), 400},
      {"space inside a field name", get("x y: z\r\n"), 400},
      {"non-token byte in a field name", get("x(y): z\r\n"), 400},
      {"non-ASCII byte in a field name", get("x\xe9: z\r\n"), 400},
      {"quoted field name", get("\"x\": z\r\n"), 400},
      {"head ends in bare LF", "GET /echo HTTP/1.1\r\nHost: a\r\n\n", 400},
      {"100 fields", get(fields(99))},
      {"101 fields", get(fields(100)), 431},
      {"head just below 32 KiB", get("x: " + std::string(32 * 1024 - 39, 'y') + "\r\n")},
      {"head of 33 KiB", get("x: " + std::string(33 * 1024, 'y') + "\r\n"), 431},
      {"field that never ends", "GET /echo HTTP/1.1\r\nHost: a\r\nx: " + std::string(40'000, 'y'),
       431},
      // Host (H4).
      {"no Host on 1.1", with_host("x: y\r\n"), 400},
      {"no Host on 1.0", "GET /echo HTTP/1.0\r\nx: y\r\n\r\n"},
      {"Host with port", with_host("Host: a.example:8080\r\n")},
      {"Host with empty port", with_host("Host: a.example:\r\n")},
      {"Host as IPv4 address", with_host("Host: 127.0.0.1:80\r\n")},
      {"Host as IPv6 address", with_host("Host: [::1]:80\r\n")},
      {"field name of Host in capitals", with_host("HOST: a\r\n")},
      {"two Hosts", with_host("Host: a\r\nHost: b\r\n"), 400},
      {"two equal Hosts", with_host("Host: a\r\nhost: a\r\n"), 400},
      {"two Hosts on 1.0", "GET /echo HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"Host list", with_host("Host: a,b\r\n"), 400},
      {"Host list with space", with_host("Host: a, b\r\n"), 400},
      {"Host with space", with_host("Host: a b\r\n"), 400},
      {"Host with userinfo", with_host("Host: user@a\r\n"), 400},
      {"Host with user and password", with_host("Host: user:pw@a\r\n"), 400},
      {"Host with path", with_host("Host: a/b\r\n"), 400},
      {"Host empty", with_host("Host:\r\n"), 400},
      {"Host with only a port", with_host("Host: :80\r\n"), 400},
      {"Host with a port that is no number", with_host("Host: a:http\r\n"), 400},
      {"Host with a port above 65535", with_host("Host: a:65536\r\n"), 400},
      {"Host with an open bracket", with_host("Host: [::1\r\n"), 400},
      {"Host with bytes behind the bracket", with_host("Host: [::1]x\r\n"), 400},
      {"Host with non-ASCII bytes", with_host("Host: \xc3\xa9\r\n"), 400},
      {"Host with backslash", with_host("Host: a\\b\r\n"), 400},
      // Content-Length (H2) and Transfer-Encoding (H1).
      {"Content-Length 0", post("Content-Length: 0\r\n")},
      {"Content-Length in capitals with space", post("CONTENT-LENGTH:  0 \r\n")},
      {"Content-Length list", post("Content-Length: 5,5\r\n"), 400},
      {"Content-Length list with space", post("Content-Length: 5, 5\r\n"), 400},
      {"Content-Length with plus", post("Content-Length: +5\r\n"), 400},
      {"Content-Length with minus", post("Content-Length: -5\r\n"), 400},
      {"Content-Length in hex", post("Content-Length: 0x5\r\n"), 400},
      {"Content-Length with underscore", post("Content-Length: 5_0\r\n"), 400},
      {"Content-Length empty", post("Content-Length:\r\n"), 400},
      {"Content-Length with leading zero", post("Content-Length: 05\r\n"), 400},
      {"Content-Length 00", post("Content-Length: 00\r\n"), 400},
      {"Content-Length with fraction", post("Content-Length: 5.0\r\n"), 400},
      {"Content-Length with space inside", post("Content-Length: 5 0\r\n"), 400},
      {"Content-Length 2^63", post("Content-Length: 9223372036854775808\r\n"), 400},
      {"Content-Length 2^64", post("Content-Length: 18446744073709551616\r\n"), 400},
      {"two equal Content-Lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
      {"two different Content-Lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
      {"CL before TE", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE before CL", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
      {"TE identity and CL", post("Transfer-Encoding: identity\r\nContent-Length: 5\r\n"), 400},
      {"TE and CL on 1.0",
       "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
      {"TE with tab before the colon", post("Transfer-Encoding\t: chunked\r\n"), 400},
      {"TE gzip", post("Transfer-Encoding: gzip\r\n"), 501},
      {"TE identity", post("Transfer-Encoding: identity\r\n"), 501},
      {"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"TE chunked, gzip", post("Transfer-Encoding: chunked, gzip\r\n"), 501},
      {"TE chunked twice in one field", post("Transfer-Encoding: chunked, chunked\r\n"), 501},
      {"TE chunked in two fields",
       post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 501},
      {"TE chunked with parameter", post("Transfer-Encoding: chunked;q=1\r\n"), 501},
      {"TE quoted", post("Transfer-Encoding: \"chunked\"\r\n"), 501},
      {"TE misspelt", post("Transfer-Encoding: xchunked\r\n"), 501},
      {"TE empty", post("Transfer-Encoding:\r\n"), 501},
      {"TE chunked on 1.0", "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
       501},
      // Expect (H12), Connection, Upgrade.
      {"unknown expectation", post("Expect: 200-maybe\r\nContent-Length: 5\r\n"), 417},
      {"two expectations", post("Expect: 100-continue, x\r\nContent-Length: 5\r\n"), 417},
      {"unknown expectation on 1.0", "POST /echo HTTP/1.0\r\nExpect: x\r\n\r\n", 417},
      {"expectation without body", get("Expect: 100-continue\r\n")},
      {"upgrade is for the handler to judge", get("Connection: upgrade\r\nUpgrade: websocket\r\n")},
  };
}

/// What follows the head of a chunked POST; `accepted` ones carry "hello" in the end.
inline std::vector<HttpCase> chunk_cases() {
  using namespace std::string_literals;
  return {
      {"one chunk", "5\r\nhello\r\n0\r\n\r\n"},
      {"five chunks", "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n"},
      {"hex digits of both cases in a padded size", "0000000000000005\r\nhello\r\n000\r\n\r\n"},
      {"extension", "5;name=value\r\nhello\r\n0;last\r\n\r\n"},
      {"quoted extension", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"},
      {"extension of 1 KiB", "5;" + std::string(1023, 'x') + "\r\nhello\r\n0\r\n\r\n"},
      {"trailer", "5\r\nhello\r\n0\r\nx-sum: 1\r\nContent-Length: 7\r\n\r\n"},
      {"data that looks like framing", "5\r\nhello\r\n0\r\n\r\n"},
      {"size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", 400},
      {"size with plus", "+5\r\nhello\r\n0\r\n\r\n", 400},
      {"size negative", "-1\r\nhello\r\n0\r\n\r\n", 400},
      {"space before the size", " 5\r\nhello\r\n0\r\n\r\n", 400},
      {"space behind the size", "5 \r\nhello\r\n0\r\n\r\n", 400},
      {"tab behind the size", "5\t\r\nhello\r\n0\r\n\r\n", 400},
      {"17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n", 400},
      {"size with underscore", "0_5\r\nhello\r\n0\r\n\r\n", 400},
      {"size that is no number", "five\r\nhello\r\n0\r\n\r\n", 400},
      {"size missing", "\r\nhello\r\n0\r\n\r\n", 400},
      {"extension without size", ";x\r\nhello\r\n0\r\n\r\n", 400},
      {"size line ends in LF", "5\nhello\r\n0\r\n\r\n", 400},
      {"size line ends in CR", "5\rhello\r\n0\r\n\r\n", 400},
      {"data ends in LF", "5\r\nhello\n0\r\n\r\n", 400},
      {"data ends in CR", "5\r\nhello\r0\r\n\r\n", 400},
      {"CRLF behind the data is missing", "5\r\nhello0\r\n\r\n", 400},
      {"data longer than its size", "4\r\nhello\r\n0\r\n\r\n", 400},
      {"data shorter than its size", "6\r\nhello\r\n0\r\n\r\n", 400},
      {"last chunk ends in LF", "5\r\nhello\r\n0\n\r\n", 400},
      {"end of the body is LF", "5\r\nhello\r\n0\r\n\n", 400},
      {"bare LF in an extension", "5;x\ny\r\nhello\r\n0\r\n\r\n", 400},
      {"bare CR in an extension", "5;x\ry\r\nhello\r\n0\r\n\r\n", 400},
      {"NUL in an extension", "5;x\0\r\nhello\r\n0\r\n\r\n"s, 400},
      {"extension above 1 KiB", "5;" + std::string(1025, 'x') + "\r\nhello\r\n0\r\n\r\n", 400},
      {"chunk of 2^64-1 bytes", "ffffffffffffffff\r\nhello", 413},
      {"chunk of 33 MiB", "2100000\r\nhello", 413},
      {"trailer without colon", "5\r\nhello\r\n0\r\nnothing\r\n\r\n", 400},
      {"trailer with space before the colon", "5\r\nhello\r\n0\r\nx : y\r\n\r\n", 400},
      {"trailer with obs-fold", "5\r\nhello\r\n0\r\nx: y\r\n z\r\n\r\n", 400},
      {"trailer with control byte", "5\r\nhello\r\n0\r\nx: \x01\r\n\r\n", 400},
      {"trailer ends in LF", "5\r\nhello\r\n0\r\nx: y\n\r\n", 400},
      {"trailer above 8 KiB", "5\r\nhello\r\n0\r\nx: " + std::string(9000, 'y') + "\r\n\r\n", 431},
  };
}

}  // namespace turnpike::server::test
