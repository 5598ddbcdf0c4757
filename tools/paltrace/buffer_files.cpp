#include "buffer_files.hpp"

#include <endian.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <tiffany/pal/error.hpp>
#include <vector>

#include "recorded_processes.hpp"
#include "run_tool.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::chrono::seconds kExtractDeadline{120};

/// The directories of processes: SESSION/ust/pid/NAME-PID-DATE-TIME, each below `root`.
std::vector<fs::path> process_directories(const fs::path& root) {
    std::vector<fs::path> found;
    std::error_code failed;
    for (fs::recursive_directory_iterator entry{root, failed}, end; !failed && entry != end; entry.increment(failed)) {
        std::error_code gone;
        if (entry.depth() != 3 || !entry->is_directory(gone)) continue;
        entry.disable_recursion_pending();
        found.push_back(entry->path());
    }
    return found;
}

void keep_files(const fs::path& from, const fs::path& to) {
    std::error_code failed;
    fs::create_directories(to, failed);
    for (fs::directory_iterator entry{from, failed}, end; !failed && entry != end; entry.increment(failed)) {
        std::error_code exists;  // as a rule
        fs::create_hard_link(entry->path(), to / entry->path().filename(), exists);
    }
}

/// LTTng has removed its names of all buffers.
bool has_ended(const fs::path& kept) {
    bool buffers = false;
    std::error_code failed;
    for (fs::directory_iterator entry{kept, failed}, end; !failed && entry != end; entry.increment(failed)) {
        if (entry->path().filename() == "metadata") continue;
        std::error_code gone;
        if (entry->hard_link_count(gone) > 1) return false;
        buffers = true;
    }
    return buffers;
}

/// Of a CTF index: where the last packet ends that is whole in a file of `bytes`.
std::uint64_t end_of_packets(const fs::path& index, std::uint64_t bytes) {
    struct Header {
        std::uint32_t magic, major, minor, entry_bytes;  // big endian, as all of it
    } header{};
    std::ifstream file{index, std::ios::binary};
    std::uint64_t end = 0;
    if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return end;
    const std::size_t entry_bytes = be32toh(header.entry_bytes);
    std::array<std::uint64_t, 2> entry{};  // offset in bytes, size in bits; what follows is the packet's business
    if (entry_bytes < sizeof entry) return end;
    std::vector<char> rest(entry_bytes - sizeof entry);
    while (file.read(reinterpret_cast<char*>(entry.data()), sizeof entry) &&
           file.read(rest.data(), static_cast<std::streamsize>(rest.size()))) {
        const std::uint64_t packet_end = be64toh(entry[0]) + be64toh(entry[1]) / 8;
        if (packet_end > bytes) break;
        end = packet_end;
    }
    return end;
}

/// A daemon that was killed while it wrote leaves half a packet, which nobody reads past; the buffer still has it.
void cut_half_packets(const fs::path& trace) {
    std::error_code failed;
    for (fs::directory_iterator entry{trace / "index", failed}, end; !failed && entry != end; entry.increment(failed)) {
        const fs::path stream = trace / entry->path().stem();
        std::error_code gone;
        const std::uint64_t bytes = fs::file_size(stream, gone);
        if (gone) continue;
        const std::uint64_t whole = end_of_packets(entry->path(), bytes);
        if (whole < bytes) fs::resize_file(stream, whole, gone);
    }
}

/// LTTng writes the description of a process's events when the process ends: a daemon that was killed wrote none.
void lend_metadata(const fs::path& trace, const fs::path& kept) {
    std::error_code failed;
    const fs::path metadata = trace / "metadata";
    if (fs::file_size(metadata, failed) != 0 && !failed) return;
    if (fs::is_directory(trace, failed))
        fs::copy_file(kept / "metadata", metadata, fs::copy_options::overwrite_existing, failed);
}

}  // namespace

BufferFiles::BufferFiles(const std::string& directory) : shm_path_{directory}, kept_{directory + "-kept"} {
    if (mkdir(shm_path_.c_str(), 0700) != 0)
        throw Error{ErrorKind::system, "cannot make directory " + shm_path_ + ": " + std::strerror(errno)};
}

BufferFiles::~BufferFiles() {
    std::error_code ignored;
    fs::remove_all(kept_, ignored);
    if (salvaged_)
        fs::remove_all(shm_path_, ignored);
    else
        rmdir(shm_path_.c_str());  // refused unless it is empty: then there is nothing to recover
}

void BufferFiles::look(pid_t command) noexcept try {
    for (const fs::path& from : process_directories(shm_path_))
        keep_files(from, fs::path{kept_} / fs::relative(from, shm_path_));
    for (const fs::path& kept : process_directories(kept_)) {
        std::error_code ignored;
        if (pid_in_name(kept.filename().string()) != command && has_ended(kept)) fs::remove_all(kept, ignored);
    }
} catch (const std::exception&) {  // no memory: the next look may have some
}

bool BufferFiles::salvage(const std::string& trace, const std::string& recovered, std::optional<pid_t> only) {
    bool any = false;
    for (const fs::path& kept : process_directories(kept_)) {
        std::error_code ignored;
        if (only && pid_in_name(kept.filename().string()) != *only) {
            fs::remove_all(kept, ignored);
            continue;
        }
        const fs::path written = fs::path{trace} / "ust" / "pid" / kept.filename();
        lend_metadata(written, kept);
        cut_half_packets(written);
        any = true;
    }
    if (!any) return false;
    const ToolResult extracted = run_tool({"lttng-crash", "--extract=" + recovered, kept_}, {}, kExtractDeadline);
    if (!extracted.good())
        throw Error{ErrorKind::system, "cannot recover what was still in the buffers: lttng-crash: " +
                                           (extracted.timed_out ? "no end" : extracted.last_line())};
    salvaged_ = true;
    return true;
}

}  // namespace tiffany::paltrace
