// systemd's socket activation, as sd_listen_fds(3) describes it: the data listener may be inherited as descriptor 3, so
// that a restart refuses no connection.
#pragma once

#include "app/handover.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// The inherited listener, by LISTEN_FDS and LISTEN_PID; holds nothing if they are absent or meant for another process.
/// An Error (`bad_activation`) if what was passed is anything but one listening TCP socket.
Result<Descriptor> inherited_listener();

/// An Error that names the descriptor unless it is a TCP socket that listens.
Result<void> check_activated(int descriptor);

}  // namespace turnpike::app
