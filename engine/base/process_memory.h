// What a process that runs case after case asks of malloc: freed memory stays with the process.
//
// Otherwise the top of the heap goes back to the system at the end of each case and is faulted in, page by page, by the
// next one. No effect on results.
#pragma once

namespace parallax {

// For the rest of the process. Does nothing where malloc is another one (sanitizers).
void keep_freed_memory();

}  // namespace parallax
