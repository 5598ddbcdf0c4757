#include "salvage.hpp"

#include <chrono>
#include <cstdint>
#include <system_error>
#include <tiffany/pal/error.hpp>

#include "run_tool.hpp"
#include "tools/babeltrace/stream_end.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kExtractDeadline{120};
constexpr std::uintmax_t kNoRoom = 64 * 1024;  // bytes, of which a part of a block may be left

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
        try {
            const ctf::StreamEnd whole = ctf::find_stream_end(stream.string(), [] {});
            if (whole.index_bytes == 0) continue;
            if (whole.bytes < bytes) fs::resize_file(stream, whole.bytes, gone);
            if (whole.index_bytes < index_bytes) fs::resize_file(entry->path(), whole.index_bytes, gone);
            any = any || whole.bytes < bytes || whole.index_bytes < index_bytes;
        } catch (const Error&) {  // more than its end is wrong, which is told when it is read
        }
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
