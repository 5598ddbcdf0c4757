#include "salvage.hpp"

#include <endian.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <system_error>
#include <tiffany/pal/error.hpp>

#include "run_tool.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kExtractDeadline{120};

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

}  // namespace

std::vector<fs::path> process_directories(const fs::path& root) {
    std::vector<fs::path> found;
    std::error_code failed;
    for (fs::recursive_directory_iterator entry{root, failed}, end; !failed && entry != end; entry.increment(failed)) {
        std::error_code gone;
        if (entry->path().parent_path().filename() != "pid" || !entry->is_directory(gone)) continue;
        entry.disable_recursion_pending();
        found.push_back(entry->path());
    }
    return found;
}

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

std::string rescue_command(const std::string& recording) {
    // the directory as a whole: it may be that there was nothing in the buffers, and so there is no `recovered`
    return "lttng-crash --extract=" + recording + "/recovered " + recording + "/shm-kept; paltrace convert " +
           recording + " -o " + recording + "/recovered.pal";
}

void extract_buffers(const std::string& buffers, const std::string& recovered) {
    const ToolResult extracted = run_tool({"lttng-crash", "--extract=" + recovered, buffers}, {}, kExtractDeadline);
    if (!extracted.good())
        throw Error{ErrorKind::system, "cannot recover what was still in the buffers: lttng-crash: " +
                                           (extracted.timed_out ? "no end" : extracted.last_line())};
    std::error_code failed;
    for (fs::recursive_directory_iterator entry{recovered, failed}, end; !failed && entry != end;
         entry.increment(failed))
        if (entry->is_regular_file(failed) && entry->path().filename() != "metadata") return;
    fs::remove_all(recovered, failed);
}

}  // namespace tiffany::paltrace
