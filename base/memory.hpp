// Memory that a daemon holds only because it was busy a moment ago.
#pragma once

#include <cstddef>

namespace keelson {

// Gives up our mappings of the read-only pages (code, constants, tables) of the program and its shared libraries; what
// is needed again comes back by minor faults from the page cache, 64 KiB at a time, and what is not needed no longer
// counts as in use. It is what the kernel's reclaim may do at any moment, and other threads may run meanwhile. An
// object with relocations in its text (DT_TEXTREL) is left alone. Breakpoints that a debugger has set are lost. Returns
// the bytes of address space given up, resident or not.
std::size_t unmap_program_pages();

// For once after a daemon's start and after bursts of work, when all is quiet: unmap_program_pages(), because a start
// goes through almost all of the program and a quiet daemon needs a tenth of it, and the heap's whole free pages go
// back to the system (malloc_trim(3)). Takes about a millisecond, and the faults that follow about as much.
void give_memory_back();

}  // namespace keelson
