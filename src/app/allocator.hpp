// How this process keeps memory; see allocator.cpp.
#pragma once

namespace turnpike::app {

/// Large bodies come and go: the pages they were in stay. Once, before threads begin.
void keep_freed_pages();

}  // namespace turnpike::app
