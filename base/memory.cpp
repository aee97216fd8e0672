#include "base/memory.hpp"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <span>

namespace keelson {
namespace {

bool has_text_relocations(const dl_phdr_info& object, std::span<const ElfW(Phdr)> segments) {
  for (const auto& segment : segments) {
    if (segment.p_type != PT_DYNAMIC) continue;
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + segment.p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL) return true;
      if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
    }
  }
  return false;
}

int unmap_object(dl_phdr_info* object, std::size_t, void* given_up) {
  if (object->dlpi_addr == ::getauxval(AT_SYSINFO_EHDR)) return 0;  // the vDSO is the kernel's, and no file
  const std::span segments(object->dlpi_phdr, object->dlpi_phnum);
  if (has_text_relocations(*object, segments)) return 0;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const auto& segment : segments) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    // Whole pages, as the loader maps them; linkers let no two segments share one.
    const auto begin = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const auto end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz + page - 1) & ~(page - 1);
    // Fails where pages are locked in memory, and then they are to stay.
    if (::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) == 0) {
      *static_cast<std::size_t*>(given_up) += end - begin;
    }
  }
  return 0;
}

}  // namespace

std::size_t unmap_program_pages() {
  std::size_t given_up = 0;
  ::dl_iterate_phdr(unmap_object, &given_up);
  return given_up;
}

void give_memory_back() {
  ::malloc_trim(0);
  unmap_program_pages();
}

}  // namespace keelson
