// Hot restart without a service manager: `turnpike serve --take-over` asks the gateway that runs on the data directory for
// its listening sockets. Both processes then hold the same sockets, so there is no moment at which a connection is refused:
// what comes while the one drains and the other waits for the ledger stands in the kernel's queue.
//
//   successor                                running gateway
//   checks its whole configuration
//   asks at <data>/handover.sock        -->  same user? not draining?
//                                       <--  one line, with the two descriptors
//   waits for the ledger's lock              drains as on SIGTERM, ends: connection and lock go
//   accepts
//
// The connection tells either side of the other's end. A successor that dies while it waits is noticed by it, and the
// drain is taken back.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "app/config.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// Closes what it holds; -1: nothing.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  [[nodiscard]] int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

/// Whether the process at the other end of a handover's connection still runs; false without one.
[[nodiscard]] bool peer_lives(const Descriptor& link);

/// What a start was given to listen with; all -1: nothing.
struct Handed {
  Descriptor data, admin;
  Descriptor link;       // ends when the predecessor's process does
  Descriptor activated;  // the data listener of a service manager instead, wherever that listens

  [[nodiscard]] bool predecessor_lives() const { return peer_lives(link); }
};

/// Nothing there to take over is no error. Waits until the running gateway answers, at most 5 s.
Result<Handed> ask_for_listeners(const std::filesystem::path& data);

/// Opens what the running gateway could not give, because the configuration names another address; only then does it know
/// that it is succeeded. An error leaves it serving.
Result<void> accept_listeners(Handed& handed, const ListenAddress& data, const ListenAddress& admin);

/// True if the socket listens where `address` says; port 0 says nothing.
bool listens_at(int socket, const ListenAddress& address);

/// The running gateway's end.
class HandoverDoor {
 public:
  struct Listeners {
    int data = -1;
    int admin = -1;
  };
  /// What there is to give away; -1: nothing any more.
  using Offer = std::function<Listeners()>;
  /// It has been given away. `link` is to be kept until the process ends, or until peer_lives() is false: then the
  /// sockets are ours alone again.
  using Taken = std::function<void(Descriptor link)>;

  /// Opens <data>/handover.sock; both functions are called on the loop. Without the socket (a warning is logged) the
  /// gateway serves, but cannot be taken over.
  HandoverDoor(boost::asio::io_context& loop, const std::filesystem::path& data, Offer offer, Taken taken);
  /// Takes the socket away.
  ~HandoverDoor();
  HandoverDoor(const HandoverDoor&) = delete;
  HandoverDoor& operator=(const HandoverDoor&) = delete;

 private:
  void wait();
  void answer(Descriptor link);

  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::filesystem::path socket_;
  Offer offer_;
  Taken taken_;
};

}  // namespace turnpike::app
