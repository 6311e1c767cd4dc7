// The one translation unit that compiles Catch's main; every test program links it.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
