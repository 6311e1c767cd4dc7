// What of admission an operator chooses.
#pragma once

namespace turnpike::gateway {

/// How the bound of a prompt's tokens is found. Source: reliability specification, "Admission".
struct AdmissionRules {
  bool prefix_tightening = true;  // what the conversation was billed before counts as billed, not by its bytes
  bool calibrated = false;        // bytes count by the model's own measured ratio instead of one token each
};

}  // namespace turnpike::gateway
