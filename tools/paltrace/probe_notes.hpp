#pragma once
/// The USDT probes of Tiffany that a program or a library carries, read from its ELF notes.
///
/// The notes are those that sys/sdt.h writes: type 3 of "stapsdt" in .note.stapsdt, three addresses (probe, base,
/// semaphore), then provider, name and arguments (https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tiffany::paltrace {

struct ProbeFile {
    std::string path;
    std::vector<std::string> probes;  ///< "tiffany:task__running", one a site, in the file's order
    /// Where in the file the word lies that counts the tracers of the transitions' probes; none: they have no
    /// semaphore.
    std::optional<std::uint64_t> semaphore_offset;
};

/// Those of one file; no probes: it has none of Tiffany.
/// Errors: ErrorKind::system if it cannot be read; ErrorKind::content if it is no ELF file.
ProbeFile probes_of_file(const std::string& path);

}  // namespace tiffany::paltrace
