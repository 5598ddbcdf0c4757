#include "buffers.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <tiffany/pal/error.hpp>

namespace tiffany::paltrace {
namespace {

constexpr std::uint64_t kKi = 1024;
constexpr std::uint64_t kMi = kKi * kKi;

// With 4Mx8, 12 million events a second from two threads lost none in 50 million while the machine had nothing else to
// do, and 8 % of 5 million while other work had ten times the CPUs that there are: the consumer has to be scheduled
// before the ring is full. With LTTng's own default, 4 sub-buffers of 512 KiB, bursts of 3 million lost up to 8 % in
// any case.
constexpr BufferSize kFull{4 * kMi, 16};
// Parks, wakes of workers, notes, dumps: fewer than transitions. With 1Mx4 a demo that notes each of its requests lost
// 8 % of them.
constexpr BufferSize kOthers{4 * kMi, 4};
// That workers begin and end, by which loss is counted: at most 140 bytes each. Here no park or note takes their room,
// and when the consumer daemon is dead that of some 7,000 workers is left.
constexpr BufferSize kWorkers{256 * kKi, 4};
// Room for 450 at a time on each CPU.
constexpr BufferSize kLeastWorkers{16 * kKi, 4};
// Below this even a slow program may lose events whenever the consumer is not scheduled for some milliseconds.
constexpr BufferSize kLeast{64 * kKi, 4};
// Blocking is not lossless with small rings: a writer that is pre-empted half way holds its sub-buffer. The others wait
// for it before they have written round a ring of this size: LttngCalls, in the telemetry library, counts on it.
constexpr BufferSize kLeastLossless{kMi, 8};

// What LTTng takes beside what is asked of it, as seen with 2.13 on x86-64, and a little more: counters of each
// sub-buffer (352 bytes), the head of each ring (8 KiB), the ring of the metadata, and what else each process has there
// (88 KiB). Of small rings that is a tenth.
constexpr std::uint64_t kOfASubBuffer = 384;
constexpr std::uint64_t kOfARing = 8 * kKi;
constexpr std::uint64_t kOfAProcess = 96 * kKi;
// Once: the page that all programs share, and what the daemons have (48 KiB); and what is left is to be no full
// /dev/shm.
constexpr std::uint64_t kOfLttng = 128 * kKi;

std::uint64_t ring_bytes(BufferSize size, unsigned cpus) {
    return (size.bytes * (size.count + 1) + kOfASubBuffer * size.count + kOfARing) * cpus;
}

std::uint64_t total(const BufferPlan& plan, unsigned cpus) {
    return ring_bytes(plan.transitions, cpus) + ring_bytes(plan.others, cpus) + ring_bytes(plan.workers, cpus) +
           (plan.ticks ? ring_bytes(*plan.ticks, cpus) : 0) + kOfAProcess;
}

struct Beside {
    BufferSize others;
    BufferSize workers;
};
constexpr Beside kFullBeside{kOthers, kWorkers};
constexpr Beside kLeastBeside{kLeast, kLeastWorkers};

BufferPlan plan_with(BufferSize transitions, Beside beside, const BufferWish& wish, unsigned cpus) {
    BufferPlan plan{.transitions = transitions,
                    .others = beside.others,
                    .workers = beside.workers,
                    .ticks = {},
                    .process_bytes = 0,
                    .processes = 0,
                    .shrunk = false,
                    .limit = {}};
    // LTTng takes no smaller one
    plan.workers.bytes = std::max(plan.workers.bytes, static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
    if (wish.ticks) plan.ticks = transitions;
    plan.process_bytes = total(plan, cpus);
    return plan;
}

// More at once would get buffers that are too small for anything.
constexpr std::uint64_t kMostShares = 64;

std::string of_each(std::uint64_t processes) {
    return processes == 1 ? "" : " for each of " + std::to_string(processes) + " processes";
}

/// @param but  what there is for it, and what to do: a sentence's end
[[noreturn]] void refuse(const BufferPlan& plan, const BufferRoom& room, const std::string& but) {
    throw Error{ErrorKind::system, "cannot record: buffers of " + plan.transitions.text() + " take " +
                                       human_bytes(plan.process_bytes) + " a process (" + std::to_string(room.cpus) +
                                       " CPUs), and " + but};
}

struct Limit {
    std::uint64_t bytes;  ///< that a process may take
    std::string why;
};

/// Half of the room: COMMAND may be more than one process. A quarter of the memory: the buffers are real at once.
Limit limit_of(const BufferWish& wish, const BufferRoom& room) {
    const std::uint64_t half = room.bytes() / 2;
    const std::uint64_t quarter = room.memory_bytes / 4;
    const std::uint64_t shares = std::min(wish.processes, kMostShares);
    const std::uint64_t shared = std::min(half, quarter) / shares;
    if (shared > kMostOfAProcess)
        return {kMostOfAProcess, "more than " + human_bytes(kMostOfAProcess) + " would not be ready before it begins"};
    const std::string whose = half <= quarter ? "half of the room in " + room.where : "a quarter of the free memory";
    return {shared, whose + " is " + human_bytes(shared) + of_each(shares)};
}

/// What to do about buffers that have no room, with what else there is at its smallest.
std::string smaller_or_more_room(const BufferPlan& refused, const BufferWish& wish, const BufferRoom& room) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const BufferSize smallest = wish.lossless ? kLeastLossless : BufferSize{page, 2};
    const std::string more = room.where + " more room";
    if (refused.transitions == smallest)
        return (wish.lossless ? "no smaller ones are lossless: give " : "there are no smaller ones: give ") + more;
    const BufferPlan plan = plan_with(smallest, kLeastBeside, wish, room.cpus);
    if (plan.process_bytes <= room.bytes() / wish.processes) return "give --buffers a smaller size, or " + more;
    return "the smallest, " + smallest.text() + ", take " + human_bytes(plan.process_bytes) + ": give " + more;
}

/// Not enough for the least useful size.
std::string mend_of(const BufferPlan& least, const BufferWish& wish, const BufferRoom& room) {
    const std::string more = room.where + " more room";
    if (least.process_bytes <= room.bytes() / wish.processes)
        return "give " + more + ", or take more than that by --buffers " + least.transitions.text();
    return smaller_or_more_room(least, wish, room);
}

std::uint64_t available_memory() {
    std::ifstream file{"/proc/meminfo"};
    std::string name;
    std::uint64_t kib = 0;
    std::string unit;
    while (file >> name >> kib) {
        if (name == "MemAvailable:") return kib * kKi;
        std::getline(file, unit);
    }
    return UINT64_MAX;  // not told: the room in the file system alone decides
}

}  // namespace

std::string BufferSize::text() const {
    const bool whole_mi = bytes % kMi == 0;
    return std::to_string(whole_mi ? bytes / kMi : bytes / kKi) + (whole_mi ? "M" : "k") + "x" + std::to_string(count);
}

BufferSize parse_buffers(std::string_view text) {
    const auto bad = [&](const std::string& why) {
        return Error{ErrorKind::usage, "cannot use --buffers " + std::string{text} + ": " + why};
    };
    BufferSize size;
    const char* const end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, size.bytes);
    const char* at = first.ptr;
    if (first.ec != std::errc{}) throw bad("expected SIZExCOUNT, such as 4Mx8");
    std::uint64_t unit = 1;
    if (at != end && (*at == 'k' || *at == 'K')) unit = kKi;
    if (at != end && *at == 'M') unit = kMi;
    if (unit != 1) ++at;
    if (at == end || *at != 'x') throw bad("expected SIZExCOUNT, such as 4Mx8");
    const auto second = std::from_chars(at + 1, end, size.count);
    if (second.ec != std::errc{} || second.ptr != end) throw bad("expected SIZExCOUNT, such as 4Mx8");
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    if (size.bytes > (1ull << 40) / unit || size.count > (1ull << 20)) throw bad("that is beyond any machine");
    size.bytes *= unit;
    if (!std::has_single_bit(size.bytes) || size.bytes < page)
        throw bad("the size must be a power of two, at least " + human_bytes(page));
    if (!std::has_single_bit(size.count) || size.count < 2) throw bad("the count must be a power of two, at least 2");
    return size;
}

BufferRoom look_at_room(const std::string& where) {
    struct statvfs space {};
    if (statvfs(where.c_str(), &space) != 0)
        throw Error{ErrorKind::system, "cannot see the room in " + where + ": " + std::strerror(errno)};
    const long cpus = sysconf(_SC_NPROCESSORS_CONF);
    return {.where = where,
            .free_bytes = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize,
            .memory_bytes = available_memory(),
            .cpus = static_cast<unsigned>(std::max(cpus, 1L))};
}

std::uint64_t BufferRoom::bytes() const {
    return free_bytes - std::min(free_bytes, std::max(free_bytes / 16, kOfLttng));
}

BufferPlan plan_buffers(const BufferWish& wish, const BufferRoom& room) {
    if (wish.lossless && wish.asked &&
        (wish.asked->bytes < kLeastLossless.bytes || wish.asked->count < kLeastLossless.count))
        throw Error{ErrorKind::usage, "cannot use --buffers " + wish.asked->text() + " with --lossless: at least " +
                                          kLeastLossless.text() + " is needed to lose nothing"};
    if (wish.asked) {
        BufferPlan plan = plan_with(*wish.asked, kFullBeside, wish, room.cpus);
        if (plan.process_bytes > kMostOfAProcess)
            throw Error{ErrorKind::usage, "cannot use --buffers " + wish.asked->text() + ": they take " +
                                              human_bytes(plan.process_bytes) + " a process (" +
                                              std::to_string(room.cpus) + " CPUs), and more than " +
                                              human_bytes(kMostOfAProcess) +
                                              " would not be ready before COMMAND begins"};
        const std::uint64_t share = room.bytes() / wish.processes;
        if (plan.process_bytes > share) plan = plan_with(*wish.asked, kLeastBeside, wish, room.cpus);
        if (plan.process_bytes > share)
            refuse(plan, room,
                   room.where + " has room for " + human_bytes(share) + of_each(wish.processes) + "; " +
                       smaller_or_more_room(plan, wish, room));
        plan.processes = room.bytes() / plan.process_bytes;
        return plan;
    }
    const Limit limit = limit_of(wish, room);
    const BufferSize least = wish.lossless ? kLeastLossless : kLeast;
    BufferSize transitions = kFull;
    Beside beside = kFullBeside;
    BufferPlan plan = plan_with(transitions, beside, wish, room.cpus);
    while (plan.process_bytes > limit.bytes) {
        if (beside.others.bytes > kLeast.bytes)
            beside = {{beside.others.bytes / 2, beside.others.count},
                      {std::max(beside.workers.bytes / 2, kLeastWorkers.bytes), beside.workers.count}};
        else if (transitions == least)
            refuse(plan, room, limit.why + "; " + mend_of(plan, wish, room));
        else if (transitions.count > least.count)
            transitions.count /= 2;  // fewer first: each should hold many events
        else
            transitions.bytes /= 2;
        plan = plan_with(transitions, beside, wish, room.cpus);
        plan.shrunk = true;
    }
    if (plan.shrunk) plan.limit = limit.why;
    plan.processes = room.bytes() / plan.process_bytes;
    return plan;
}

std::string human_bytes(std::uint64_t bytes) {
    if (bytes >= 16 * kMi || (bytes >= kMi && bytes % kMi == 0)) return std::to_string(bytes / kMi) + " MiB";
    if (bytes >= kKi) return std::to_string(bytes / kKi) + " KiB";
    return std::to_string(bytes) + " bytes";
}

}  // namespace tiffany::paltrace
