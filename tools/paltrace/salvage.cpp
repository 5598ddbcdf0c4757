#include "salvage.hpp"

#include <endian.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <system_error>
#include <tiffany/pal/error.hpp>

#include "run_tool.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kExtractDeadline{120};
constexpr std::uintmax_t kNoRoom = 64 * 1024;  // bytes, of which a part of a block may be left

/// How far a stream and its index go together, in bytes of each.
struct Whole {
    std::uint64_t stream = 0;
    std::uint64_t index = 0;
};

/// Up to the last packet that is whole in a stream of `bytes`. Nothing: the index does not tell, or tells of more.
std::optional<Whole> whole_packets(const fs::path& index, std::uint64_t bytes) {
    struct Header {
        std::uint32_t magic, major, minor, entry_bytes;  // big endian, as all of it
    } header{};
    std::ifstream file{index, std::ios::binary};
    if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return std::nullopt;
    Whole whole{0, sizeof header};
    const std::size_t entry_bytes = be32toh(header.entry_bytes);
    std::array<std::uint64_t, 2> entry{};  // offset in bytes, size in bits; what follows is the packet's business
    if (entry_bytes < sizeof entry) return std::nullopt;
    std::vector<char> rest(entry_bytes - sizeof entry);
    bool half = false;
    while (file.read(reinterpret_cast<char*>(entry.data()), sizeof entry) &&
           file.read(rest.data(), static_cast<std::streamsize>(rest.size()))) {
        const std::uint64_t begin = be64toh(entry[0]);  // of one that could not be written: that of the one before
        const std::uint64_t end = begin + be64toh(entry[1]) / 8;
        if (begin > whole.stream) return std::nullopt;
        half = half || begin != whole.stream || end > bytes;
        if (half) continue;
        whole.stream = end;
        whole.index += entry_bytes;
    }
    return whole;
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

bool cut_half_packets(const fs::path& trace) {
    bool any = false;
    std::error_code failed;
    for (fs::directory_iterator entry{trace / "index", failed}, end; !failed && entry != end; entry.increment(failed)) {
        const fs::path stream = trace / entry->path().stem();
        std::error_code gone;
        const std::uint64_t bytes = fs::file_size(stream, gone);
        const std::uint64_t index_bytes = gone ? 0 : entry->file_size(gone);
        if (gone) continue;
        const std::optional<Whole> whole = whole_packets(entry->path(), bytes);
        if (!whole) continue;
        if (whole->stream < bytes) fs::resize_file(stream, whole->stream, gone);
        if (whole->index < index_bytes) fs::resize_file(entry->path(), whole->index, gone);
        any = any || whole->stream < bytes || whole->index < index_bytes;
    }
    return any;
}

std::string rescue_command(const std::string& recording) {
    // the directory as a whole: it may be that there was nothing in the buffers, and so there is no `recovered`
    return "lttng-crash --extract=" + recording + "/recovered " + recording + "/shm-kept; paltrace convert " +
           recording + " -o " + recording + "/recovered.pal";
}

void extract_buffers(const std::string& buffers, const std::string& recovered) {
    const ToolResult extracted = run_tool({"lttng-crash", "--extract=" + recovered, buffers}, {}, kExtractDeadline);
    std::error_code failed;
    if (!extracted.good()) {
        const fs::space_info disk = fs::space(fs::path{recovered}.parent_path(), failed);
        const std::string why = !failed && disk.available < kNoRoom ? "its disk is full"
                                : extracted.timed_out               ? "lttng-crash: no end"
                                                                    : "lttng-crash: " + extracted.last_line();
        fs::remove_all(recovered, failed);  // a part, which nobody could tell from the whole
        throw Error{ErrorKind::system, "cannot recover what is still in the buffers: " + why};
    }
    for (fs::recursive_directory_iterator entry{recovered, failed}, end; !failed && entry != end;
         entry.increment(failed))
        if (entry->is_regular_file(failed) && entry->path().filename() != "metadata") return;
    fs::remove_all(recovered, failed);
}

}  // namespace tiffany::paltrace
