#include "named_descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <system_error>

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

int open_descriptor(const std::string& number) {
    int fd = -1;
    const auto end = std::from_chars(number.data(), number.data() + number.size(), fd);
    const bool is_number = end.ec == std::errc{} && end.ptr == number.data() + number.size();
    return is_number && ::fcntl(fd, F_GETFD) >= 0 ? fd : -1;
}

}  // namespace

int descriptor_named(const std::string& path) {
    if (path == "-" || path == "/dev/stdin") return STDIN_FILENO;
    std::error_code failed;
    const fs::path descriptors = fs::canonical("/proc/self/fd", failed);
    if (failed) return -1;
    // link by link: what canonical() makes of a descriptor's is the file behind it
    constexpr int kMostLinks = 40;  // as many as the kernel follows
    fs::path next = path;
    for (int links = 0; links < kMostLinks; ++links) {
        const fs::path parent = fs::canonical(next.has_parent_path() ? next.parent_path() : fs::path{"."}, failed);
        if (failed) return -1;
        if (parent == descriptors) return open_descriptor(next.filename().string());
        const fs::path target = fs::read_symlink(parent / next.filename(), failed);
        if (failed) return -1;  // no link: it names itself
        next = parent / target;
    }
    return -1;
}

}  // namespace tiffany::ctf
