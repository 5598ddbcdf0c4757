#include "bounded_trace.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <tiffany/pal/error.hpp>
#include <utility>

#include "index_layout.hpp"
#include "packet_layout.hpp"
#include "private_directory.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

Error cannot_write(const fs::path& path, int cause) {
    return Error{ErrorKind::system, "cannot write " + path.string() + ": " + std::strerror(cause)};
}

void link_to(const fs::path& to, const fs::path& from) {
    std::error_code failed;
    fs::create_symlink(fs::absolute(to), from, failed);
    if (failed) throw cannot_write(from, failed.value());
}

/// Of an index of a stream file, were it nothing but headers.
std::uint64_t most_bytes(std::uint64_t stream_bytes) {
    return sizeof(IndexHeader) + stream_bytes / sizeof(RawPacket) * sizeof(IndexEntry);
}

}  // namespace

BoundedTrace::BoundedTrace(std::string trace, std::uint64_t most_index_bytes)
    : trace_{std::move(trace)}, home_{make_private_directory()}, most_index_bytes_{most_index_bytes} {
    std::error_code failed;
    fs::create_directory(fs::path{home_} / "index", failed);
    if (!failed) return;
    std::error_code ignored;
    fs::remove(home_, ignored);
    throw cannot_write(home_, failed.value());
}

BoundedTrace::~BoundedTrace() {
    std::error_code ignored;  // it lies in the directory for temporary files: a left-over is nobody's harm
    fs::remove_all(home_, ignored);
}

void BoundedTrace::add(std::string_view stream, std::string_view index) {
    if (const auto cut = cut_.find(stream); cut != cut_.end()) return append(stream, index, cut->second);
    std::error_code failed;
    const auto is_it = [&](const fs::directory_entry& entry) {
        std::error_code none;
        return entry.path().filename().native() == stream && entry.is_regular_file(none);
    };
    // looked for in the listing: more than one name can open a file, as one with a NUL behind it
    fs::directory_iterator entry{trace_, failed};
    while (!failed && entry != fs::directory_iterator{} && !is_it(*entry))
        entry.increment(failed);
    if (failed || entry == fs::directory_iterator{})
        throw Error{ErrorKind::system, "the decoding process told of a stream that there is not"};
    append(stream, index, cut_[std::string{stream}]);
}

void BoundedTrace::append(std::string_view stream, std::string_view index, std::uint64_t& bytes) {
    std::error_code failed;
    const std::uint64_t stream_bytes = fs::file_size(fs::path{trace_} / stream, failed);
    bytes += index.size();
    bytes_ += index.size();
    if (failed || bytes > most_bytes(stream_bytes))
        throw Error{ErrorKind::system, "the decoding process told of more packets than a stream has room for"};
    if (bytes_ > most_index_bytes_)
        throw Error{ErrorKind::system, "the streams that are cut have more whole packets than indexes are made for"};
    if (index.empty()) return;
    const fs::path path = index_of(fs::path{home_} / stream);
    errno = 0;
    std::ofstream out{path, std::ios::binary | std::ios::app};
    out.write(index.data(), static_cast<std::streamsize>(index.size()));
    out.close();
    if (!out) throw cannot_write(path, errno);
}

void BoundedTrace::link_all() const try {
    for (const fs::directory_entry& entry : fs::directory_iterator{trace_}) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(".") || entry.is_directory()) continue;
        const auto cut = cut_.find(name);
        if (cut != cut_.end() && cut->second == 0) continue;
        const fs::path from = fs::path{home_} / name;
        link_to(entry.path(), from);
        if (cut == cut_.end() && fs::exists(index_of(entry.path()))) link_to(index_of(entry.path()), index_of(from));
    }
} catch (const fs::filesystem_error& error) {
    throw Error{ErrorKind::system, "cannot read " + trace_ + ": " + error.code().message()};
}

}  // namespace tiffany::ctf
