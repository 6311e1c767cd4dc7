#include "rule.hpp"

namespace turnpike::server::test {

namespace {

std::string chunks(const std::string& wire) {
  return post("Transfer-Encoding: chunked\r\n") + wire;
}
std::string sized(const std::string& value, const std::string& body = "hello") {
  return post("Content-Length: " + value + "\r\n") + body;
}
std::string coded(const std::string& value) {
  return post("Transfer-Encoding: " + value + "\r\n") + "5\r\nhello\r\n0\r\n\r\n";
}
const std::string hello = "5\r\nhello\r\n0\r\n\r\n";

std::vector<Rule> length_rules() {
  return {
      {"9112 6.3", "without length or coding there is no body", post("") + get(""), "200 200 kept"},
      {"9112 6.3", "a length says where the body ends", sized("5") + get(""), "200 200 kept"},
      {"9112 6.3", "a body that is not there yet is waited for", sized("6"), "waits"},
      {"9112 6.3", "GET may have one too", get("Content-Length: 2\r\n") + "ok", "200 kept", " ok"},
      {"9110 8.6", "a length of nothing", sized("0", ""), "200 kept"},
      {"9110 8.6", "a length is decimal digits", sized("0x5"), "400 closed"},
      {"9110 8.6", "without a sign", sized("+5"), "400 closed"},
      {"9110 8.6", "not below nothing", sized("-5"), "400 closed"},
      {"9110 8.6", "without a fraction", sized("5.0"), "400 closed"},
      {"9110 8.6", "without underscores", sized("5_0"), "400 closed"},
      {"9110 8.6", "without spaces inside", sized("5 0"), "400 closed"},
      {"9110 8.6", "not empty", sized(""), "400 closed"},
      {"9110 8.6", "not in words", sized("five"), "400 closed"},
      {"spec 12", "without leading zeros", sized("05"), "400 closed"},
      {"spec 12", "not even for nothing", sized("00", ""), "400 closed"},
      {"9110 8.6", "that overflows nothing: 2^63", sized("9223372036854775808"), "400 closed"},
      {"9110 8.6", "nor 2^64 + 5", sized("18446744073709551621"), "400 closed"},
      {"spec 12", "no list, though equal", sized("5,5"), "400 closed"},
      {"9112 6.3", "no list of different ones", sized("5, 6"), "400 closed"},
      {"spec 12", "not twice, though equal",
       post("Content-Length: 5\r\nContent-Length: 5\r\n") + "hello", "400 closed"},
      {"9112 6.3", "not twice and different",
       post("Content-Length: 5\r\nContent-Length: 6\r\n") + "hello!", "400 closed"},
      {"spec 12", "above 32 MiB it is 413 before the body", sized("34603008", ""), "413 closed"},
      {"9112 6.3", "what follows a refused length is no request", sized("5,5") + get(""),
       "400 closed"},
  };
}

std::vector<Rule> coding_rules() {
  return {
      {"9112 6.1", "chunked is read", chunks(hello), "200 kept", " hello"},
      {"9112 7", "codings know no case", coded("cHuNkEd"), "200 kept", " hello"},
      {"9112 5", "and have whitespace around", coded(" \t chunked \t "), "200 kept", " hello"},
      {"spec 12", "a length before it",
       post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + hello, "400 closed"},
      {"spec 12", "a length behind it",
       post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + hello, "400 closed"},
      {"9112 6.1", "a coding that is not known", coded("gzip"), "501 closed"},
      {"9112 6.1", "a body whose last coding is not chunked", coded("chunked, gzip"), "501 closed"},
      {"9112 6.1", "chunked is not applied twice", coded("chunked, chunked"), "501 closed"},
      {"spec 12", "a coding before it is not undone", coded("gzip, chunked"), "501 closed"},
      {"9112 7", "identity is no coding any more", coded("identity"), "501 closed"},
      {"spec 12", "two fields of it",
       post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + hello, "501 closed"},
      {"9112 7", "chunked has no parameters", coded("chunked;q=1"), "501 closed"},
      {"9112 7", "it is not quoted", coded("\"chunked\""), "501 closed"},
      {"9112 7", "nor spelt like", coded("xchunked"), "501 closed"},
      {"9112 7", "nor with a control byte",
       coded("\x0b"
             "chunked"),
       "400 closed"},
      {"9112 6.1", "an empty coding", coded(""), "501 closed"},
      {"9112 6.1", "HTTP/1.0 has no codings",
       "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + hello,
       "501 closed"},
      {"9112 6.3", "on HTTP/1.0 with a length neither counts",
       "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
       "400 closed"},
      {"9112 5.1", "a space before the colon does not hide it",
       post("Transfer-Encoding : chunked\r\n") + hello, "400 closed"},
      {"9112 5.2", "a fold does not hide it", post("Transfer-Encoding:\r\n chunked\r\n") + hello,
       "400 closed"},
      {"9112 11.2", "what follows a refused coding is no request", coded("gzip") + get(""),
       "501 closed"},
  };
}

std::vector<Rule> chunk_rules() {
  return {
      {"9112 7.1", "chunks join", chunks("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), "200 kept", " hello"},
      {"9112 7.1", "sizes are hexadecimal, in both cases",
       chunks("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), "200 kept",
       " 01234567890123456789"},
      {"9112 7.1", "zeros may lead", chunks("0005\r\nhello\r\n000\r\n\r\n"), "200 kept", " hello"},
      {"9112 7.1", "the last chunk alone is an empty body", chunks("0\r\n\r\n"), "200 kept"},
      {"9112 7.1", "data may look like framing", chunks("5\r\n0\r\n\r\n\r\n0\r\n\r\n") + get(""),
       "200 200 kept"},
      {"9112 7.1", "no end, no request", chunks("5\r\nhello\r\n"), "waits"},
      {"9112 7.1", "no trailer's end, no request", chunks("5\r\nhello\r\n0\r\n"), "waits"},
      {"9112 7.1", "what follows is the next request", chunks(hello) + get(""), "200 200 kept"},
      {"9112 7.1", "a size is not empty", chunks("\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "a size has no 0x", chunks("0x5\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "nor a sign", chunks("+5\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "nor a minus", chunks("-5\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "nor a space before", chunks(" 5\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"spec 12", "nor a space behind", chunks("5 \r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "nor other letters", chunks("5g\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "large sizes overflow nothing",
       chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "16 digits are read, and are too much",
       chunks("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), "413 closed"},
      {"spec 12", "a size line ends in CRLF, not LF", chunks("5\nhello\r\n0\r\n\r\n"),
       "400 closed"},
      {"9112 7.1", "nor in CR", chunks("5\rhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "data ends in CRLF", chunks("5\r\nhello0\r\n\r\n"), "400 closed"},
      {"spec 12", "not in LF", chunks("5\r\nhello\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1", "data is as long as its size says", chunks("4\r\nhello\r\n0\r\n\r\n"),
       "400 closed"},
      {"9112 7.1", "and not shorter", chunks("6\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1.1", "extensions are ignored", chunks("5;a=b;c=\"d;e\"\r\nhello\r\n0;f\r\n\r\n"),
       "200 kept", " hello"},
      {"spec 12", "up to 1 KiB", chunks("5;" + std::string(1100, 'x') + "\r\nhello\r\n0\r\n\r\n"),
       "400 closed"},
      {"9112 7.1.1", "no line end hides in them", chunks("5;a\nb\r\nhello\r\n0\r\n\r\n"),
       "400 closed"},
      {"9112 7.1.1", "no bare CR either", chunks("5;a\rb\r\nhello\r\n0\r\n\r\n"), "400 closed"},
      {"9112 7.1.2", "trailers are no headers",
       chunks("5\r\nhello\r\n0\r\nHost: b\r\nContent-Length: 7\r\n\r\n") + get(""), "200 200 kept"},
      {"9112 7.1.2", "trailers are fields", chunks("5\r\nhello\r\n0\r\nnothing\r\n\r\n"),
       "400 closed"},
      {"9112 7.1.2", "without obs-fold", chunks("5\r\nhello\r\n0\r\nx: y\r\n z\r\n\r\n"),
       "400 closed"},
      {"9112 7.1.2", "without control bytes", chunks("5\r\nhello\r\n0\r\nx: \x01\r\n\r\n"),
       "400 closed"},
      {"spec 12", "up to 8 KiB",
       chunks("5\r\nhello\r\n0\r\nx: " + std::string(9000, 'y') + "\r\n\r\n"), "431 closed"},
  };
}

}  // namespace

std::vector<Rule> body_rules() {
  std::vector<Rule> all;
  for (auto& part : {length_rules(), coding_rules(), chunk_rules()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace turnpike::server::test
