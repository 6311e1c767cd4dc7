// The weights that ship with the program: built_in.cpp.bin, placed among the read-only data by the
// assembler, which finds it beside this file. built_in_version.hpp is written with it by the
// training program; including it here makes the build notice new weights.
#include "classify/built_in_version.hpp"
#include "classify/classifier.hpp"

#include <cstdio>
#include <cstdlib>

// clang-format off
asm(".section .rodata,\"a\",@progbits\n"
    ".balign 64\n"
    ".globl turnpike_built_in_weights\n"
    "turnpike_built_in_weights:\n"
    ".incbin \"" __FILE__ ".bin\"\n"
    ".globl turnpike_built_in_weights_end\n"
    "turnpike_built_in_weights_end:\n"
    ".byte 0\n"
    ".text\n");
// clang-format on

extern "C" {
extern const std::byte turnpike_built_in_weights[];      // NOLINT(readability-identifier-naming)
extern const std::byte turnpike_built_in_weights_end[];  // NOLINT(readability-identifier-naming)
}

namespace turnpike::classify {

const Classifier& Classifier::built_in() {
  static const Classifier classifier = [] {
    const std::span bytes{turnpike_built_in_weights, turnpike_built_in_weights_end};
    auto loaded = load(bytes);
    if (!loaded || loaded->version() != built_in_version) {
      // The file was checked when it was written; a program whose own data is broken must not
      // route.
      std::fputs("built-in classifier weights are damaged or stale: build again\n", stderr);
      std::abort();
    }
    return std::move(*loaded);
  }();
  return classifier;
}

}  // namespace turnpike::classify
