#pragma once
/// How large the ring buffers of a recording are, and whether they fit.
///
/// LTTng gives every process, in every channel, a ring of `count` sub-buffers (and a spare one) for every CPU that the
/// machine may have. They lie in /dev/shm and are filled with zeros when the process starts. A session larger than the
/// room there records nothing, and every lttng command succeeds all the same: so the sum is done here, beforehand.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tiffany::paltrace {

/// The ring of one CPU: `count` sub-buffers of `bytes` each. Both are powers of two.
struct BufferSize {
    std::uint64_t bytes = 0;
    std::uint64_t count = 0;
    friend constexpr bool operator==(const BufferSize&, const BufferSize&) = default;
    /// "4Mx8", as --buffers takes it.
    std::string text() const;
};

/// Reads "4Mx8": k and M are 1024 and 1024^2 bytes.
/// Errors: ErrorKind::usage for another form, no power of two, less than a page or less than two sub-buffers.
BufferSize parse_buffers(std::string_view text);

/// What the plan depends on.
struct BufferRoom {
    std::string where;               ///< the directory whose file system holds the buffers: "/dev/shm"
    std::uint64_t free_bytes = 0;    ///< there
    std::uint64_t memory_bytes = 0;  ///< memory of the machine that is free to take
    unsigned cpus = 1;               ///< that the machine may have: offline ones count

    /// What buffers may take: a sixteenth of what is free, at least 128 KiB, is left to LTTng itself and to others.
    std::uint64_t bytes() const;
};

/// Errors: ErrorKind::system if the file system cannot be asked.
BufferRoom look_at_room(const std::string& where);

struct BufferWish {
    std::optional<BufferSize> asked{};  ///< --buffers; nothing = choose
    bool ticks = false;
    bool lossless = false;
    std::uint64_t processes = 1;  ///< at least 1: that are there already; each gets its part of the room, of at most 64
};

struct BufferPlan {
    BufferSize transitions;
    BufferSize others;
    BufferSize workers;
    std::optional<BufferSize> ticks;
    std::uint64_t process_bytes = 0;  ///< what one process takes, all channels and what LTTng needs beside them
    std::uint64_t processes = 0;      ///< so many at a time have room
    bool shrunk = false;              ///< smaller than what loses nothing at the highest rate
    std::string limit;                ///< why it shrank: "half of the room in /dev/shm is 30 MiB"
};

/// LTTng fills the buffers with zeros, about 1 GiB a second, while the process waits for them at its start, and that
/// wait is bounded: what takes longer leaves the process without a trace, or its start.
inline constexpr std::uint64_t kMostOfAProcess = std::uint64_t{1} << 30;

/// Chooses buffers that lose nothing at the highest rate that was measured, or as near to that as half of the room
/// permits. What was asked for is taken as it is, if the processes that are there already have room for it.
/// Errors: ErrorKind::system if what was asked for, or the least useful size, does not fit, with both sizes;
///         ErrorKind::usage for --lossless with buffers too small to be that, and for more than kMostOfAProcess.
BufferPlan plan_buffers(const BufferWish& wish, const BufferRoom& room);

/// "72 MiB", "4 KiB", "17 bytes"; in KiB up to 16 MiB, unless it is whole MiB.
std::string human_bytes(std::uint64_t bytes);

}  // namespace tiffany::paltrace
