#include "buffer_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <tiffany/pal/error.hpp>
#include <utility>

#include "recorded_processes.hpp"
#include "salvage.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

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

/// LTTng writes the description of a process's events when the process ends: a daemon that was killed wrote none.
void lend_metadata(const fs::path& trace, const fs::path& kept) {
    std::error_code failed;
    const fs::path metadata = trace / "metadata";
    if (fs::file_size(metadata, failed) != 0 && !failed) return;
    if (fs::is_directory(trace, failed))
        fs::copy_file(kept / "metadata", metadata, fs::copy_options::overwrite_existing, failed);
}

}  // namespace

BufferFiles::BufferFiles(const std::string& directory, std::function<std::size_t()> failed_writes)
    : shm_path_{directory}, kept_{directory + "-kept"}, failed_writes_{std::move(failed_writes)} {
    if (mkdir(shm_path_.c_str(), 0700) != 0)
        throw Error{ErrorKind::system, "cannot make directory " + shm_path_ + ": " + std::strerror(errno)};
}

BufferFiles::~BufferFiles() {
    std::error_code ignored;
    if (!keep_) fs::remove_all(kept_, ignored);
    if (salvaged_)
        fs::remove_all(shm_path_, ignored);
    else
        rmdir(shm_path_.c_str());  // refused unless it is empty: then there is nothing to recover
}

void BufferFiles::look(pid_t command) noexcept try {
    for (const fs::path& from : process_directories(shm_path_))
        keep_files(from, fs::path{kept_} / fs::relative(from, shm_path_));
    const std::size_t failed = failed_writes_();
    // of a process that is seen for the first time, since the look before it began
    const std::size_t failed_before = std::exchange(failed_at_last_look_, failed);
    for (const fs::path& kept : process_directories(kept_)) {
        const std::string process = kept.filename().string();
        const auto seen = failed_before_.find(process);
        if (seen == failed_before_.end()) failed_before_.emplace(process, failed_before);
        if (seen == failed_before_.end() || pid_in_name(process) == command || !has_ended(kept)) continue;
        if (failed != seen->second) continue;  // what is in them may be nowhere else
        failed_before_.erase(seen);
        std::error_code ignored;
        fs::remove_all(kept, ignored);
    }
} catch (const std::exception&) {  // no memory: the next look may have some
}

std::set<pid_t> BufferFiles::salvage(const std::string& trace, const std::string& recovered,
                                     std::optional<pid_t> only) {
    std::set<pid_t> salvaged;
    for (const fs::path& kept : process_directories(kept_)) {
        std::error_code ignored;
        if (only && pid_in_name(kept.filename().string()) != *only) {
            fs::remove_all(kept, ignored);
            continue;
        }
        const fs::path written = fs::path{trace} / "ust" / "pid" / kept.filename();
        lend_metadata(written, kept);
        cut_half_packets(written);
        salvaged.insert(pid_in_name(kept.filename().string()));
    }
    if (salvaged.empty()) return salvaged;
    keep_ = true;
    try {
        extract_buffers(kept_, recovered);
    } catch (const Error& error) {
        throw Error{error.kind(), error.one_line() + "; they are kept, and this reads them: " +
                                      rescue_command(fs::path{recovered}.parent_path().string())};
    }
    keep_ = false;
    salvaged_ = true;
    return salvaged;
}

}  // namespace tiffany::paltrace
