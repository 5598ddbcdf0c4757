#pragma once
/// What became of the log that TIFFANY_PAL or `configure` asked for: docs/pal-file.md.
///
///     const tiffany::PalStatus log = tiffany::pal_status();
///     if (log.problem != tiffany::PalProblem::none) std::cerr << "no log: " << label(log.problem) << '\n';

#include <cstdint>
#include <string>
#include <string_view>

namespace tiffany {

/// Why the process writes no log; a closed set.
enum class PalProblem : std::uint8_t {
    none,           ///< it writes one, or nobody asked for one
    bad_target,     ///< TIFFANY_PAL is no file's or socket's name that can be used
    bad_size,       ///< TIFFANY_PAL_MAX or TIFFANY_PAL_RING is no size, or too small
    symbolic_link,  ///< the name is a symbolic link, which may be somebody else's doing
    not_a_log,      ///< there is a file of this name that is no PAL log: it is left alone
    in_use,         ///< all names that were tried are other processes'
    refused,        ///< the system refused: see `error`
    stripped,       ///< the program was built with TIFFANY_TELEMETRY=OFF: it has no hooks
};

constexpr std::string_view label(PalProblem problem) noexcept {
    switch (problem) {
        case PalProblem::none:
            return "none";
        case PalProblem::bad_target:
            return "bad_target";
        case PalProblem::bad_size:
            return "bad_size";
        case PalProblem::symbolic_link:
            return "symbolic_link";
        case PalProblem::not_a_log:
            return "not_a_log";
        case PalProblem::in_use:
            return "in_use";
        case PalProblem::refused:
            return "refused";
        case PalProblem::stripped:
            return "stripped";
    }
    return "?";
}

/// The numbers rise only, but for `readers`; in a forked child they start at 0.
struct PalStatus {
    bool active = false;  ///< a log is written, or a socket served
    PalProblem problem = PalProblem::none;
    int error = 0;                  ///< errno of what failed last, 0 = nothing: at the start, or while it writes
    std::string where;              ///< the name that was taken in the end; empty = none
    std::uint64_t transitions = 0;  ///< that came to the log's thread
    std::uint64_t lost =
        0;  ///< that are missing in the log: they did not fit into a worker's ring, or the file took nothing
    std::uint64_t lost_others = 0;           ///< the same of other events
    std::uint64_t bytes = 0;                 ///< written to files, or to readers
    std::uint64_t files = 0;                 ///< begun: more than 1 when the file turned over
    std::uint64_t readers = 0;               ///< of the socket, now
    std::uint64_t readers_lost = 0;          ///< transitions that readers were too slow for, summed over them
    std::uint64_t readers_refused = 0;       ///< turned away: 64 were there, or there was no memory
    std::uint64_t workers_without_ring = 0;  ///< there was no memory: nothing of these workers is told
};

}  // namespace tiffany
