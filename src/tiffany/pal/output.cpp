#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <ostream>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/output.hpp>
#include <vector>

namespace tiffany::pal {
namespace {

// so much of a file's room is asked for ahead, at most: what is not needed is given back in the end
constexpr std::size_t kMostAhead = std::size_t{64} << 20;
constexpr int kLevel = 1;  // level 3 compresses these logs worse than level 1, and takes longer

Error cannot_write(const std::string& name, const std::string& cause) {
    return Error{ErrorKind::system, "cannot write " + name + ": " + cause};
}

Error cannot_write(const std::string& name) {
    return cannot_write(name, std::strerror(errno));
}

bool has_zst_name(const std::string& path) {
    return path.size() > 4 && path.compare(path.size() - 4, 4, ".zst") == 0;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

}  // namespace

/// Where the bytes go in the end: a stream, a temporary that is renamed, or what was there before (a fifo, a device).
class OutputFile::Target {
  public:
    explicit Target(std::ostream& stream) : name_{"the standard output"}, stream_{&stream} {}

    explicit Target(const std::string& path) : name_{path}, path_{path} {
        if (path.empty()) throw cannot_write("the output", "its name is empty");
        struct stat link {};
        struct stat file {};
        const bool is_link = ::lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode);
        const bool exists = ::stat(path.c_str(), &file) == 0;
        if (is_link && (!exists || S_ISREG(file.st_mode)))
            throw cannot_write(path, "it is a symbolic link; name the file itself");
        if (exists && S_ISDIR(file.st_mode)) throw cannot_write(path, std::strerror(EISDIR));
        if (exists && S_ISSOCK(file.st_mode))
            throw cannot_write(path,
                               "it is a socket, and what is written there has to be sent: write to - and pipe it");
        if (exists && !S_ISREG(file.st_mode)) {
            fd_ = ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
            if (fd_ < 0) throw cannot_write(path);
            return;
        }
        // without a name until it is whole: whatever ends this process, nothing half-written is left behind
        fd_ = ::open(folder_of(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (fd_ >= 0) {
            nameless_ = reserves_ = true;
            return;
        }
        if (errno != EOPNOTSUPP && errno != EISDIR) throw cannot_write(path);
        // a file system that has no such files. O_EXCL, so it follows no link and takes nobody's file; mode 0600
        temporary_ = folder_of(path) + "/.tiffany-XXXXXX";
        fd_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
        if (fd_ < 0) {
            const int why = errno;
            temporary_.clear();
            throw cannot_write(path, std::strerror(why));
        }
    }

    ~Target() {
        if (fd_ >= 0) ::close(fd_);
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;

    void write(std::string_view bytes) {
        if (stream_ != nullptr) {
            errno = 0;
            if (!stream_->write(bytes.data(), static_cast<std::streamsize>(bytes.size()))) fail_stream();
            return;
        }
        if (size_ + bytes.size() > reserved_) reserve();
        size_ += bytes.size();
        while (!bytes.empty()) {
            const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) throw cannot_write(name_);
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
    }

    void commit() {
        if (stream_ != nullptr) {
            errno = 0;
            if (!stream_->flush()) fail_stream();
            return;
        }
        if (asked_ && ::ftruncate(fd_, static_cast<off_t>(size_)) != 0) throw cannot_write(name_);
        if (nameless_) give_a_name();
        // some file systems (NFS) say only here that the disk is full
        const int fd = fd_;
        fd_ = -1;
        if (::close(fd) != 0 && errno != EINTR) throw cannot_write(name_);
        if (temporary_.empty()) return;
        if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw cannot_write(name_);
        temporary_.clear();
    }

    const std::string& name() const { return name_; }

  private:
    // A link cannot replace a file, a rename can: so first a name of its own.
    void give_a_name() {
        const std::string self = "/proc/self/fd/" + std::to_string(fd_);
        for (unsigned attempt = 0;; ++attempt) {
            const std::string name =
                folder_of(path_) + "/.tiffany-" + std::to_string(::getpid()) + "-" + std::to_string(attempt);
            if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
                temporary_ = name;
                return;
            }
            if (errno != EEXIST) throw cannot_write(name_);
        }
    }

    /// The kernel takes less for a write whose place is there: it has to look for none, a piece of a file at a time. As
    /// much again as is written; a short file is not worth it. Where it fails, the write itself says what is wrong.
    void reserve() {
        if (!reserves_) return;
        const std::size_t more = std::min(size_, kMostAhead);
        if (more < kMostAhead / 16) return;
        asked_ = true;
        reserves_ = ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size_), static_cast<off_t>(more)) == 0;
        if (reserves_) reserved_ = size_ + more;
    }

    [[noreturn]] void fail_stream() const {
        throw cannot_write(name_, errno != 0 ? std::strerror(errno) : "the stream has failed");
    }

    std::string name_;  // for messages
    std::string path_;
    std::string temporary_;  // empty: none, or renamed
    std::ostream* stream_ = nullptr;
    int fd_ = -1;
    bool nameless_ = false;     // the file has no name yet
    bool asked_ = false;        // for room ahead; where that failed there may be a part of it
    bool reserves_ = false;     // room ahead: it is a file of ours, and its file system can do that
    std::size_t size_ = 0;      // written so far
    std::size_t reserved_ = 0;  // up to here there is room for certain; 0: not asked for
};

/// One zstd frame.
class OutputFile::Compressor {
  public:
    explicit Compressor(const std::string& name) : name_{name}, context_{ZSTD_createCCtx(), ZSTD_freeCCtx} {
        if (context_ == nullptr) throw std::bad_alloc{};
        check(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel));
        check(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1));
    }

    void write(std::string_view bytes, Target& target) {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        while (in.pos < in.size)
            step(in, ZSTD_e_continue, target);
    }

    void finish(Target& target) {
        ZSTD_inBuffer in{nullptr, 0, 0};
        while (step(in, ZSTD_e_end, target) != 0) {
        }
    }

  private:
    std::size_t step(ZSTD_inBuffer& in, ZSTD_EndDirective directive, Target& target) {
        ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
        const std::size_t left = check(ZSTD_compressStream2(context_.get(), &out, &in, directive));
        target.write({buffer_.data(), out.pos});
        return left;
    }

    std::size_t check(std::size_t result) const {
        if (ZSTD_isError(result) != 0) throw cannot_write(name_, ZSTD_getErrorName(result));
        return result;
    }

    std::string name_;
    std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context_;
    std::vector<char> buffer_ = std::vector<char>(ZSTD_CStreamOutSize());
};

OutputFile::OutputFile(const std::string& path) : OutputFile{path, std::cout} {}

OutputFile::OutputFile(const std::string& path, std::ostream& standard_output) {
    if (path == "-") {
        target_ = std::make_unique<Target>(standard_output);
        return;
    }
    target_ = std::make_unique<Target>(path);
    if (has_zst_name(path)) compressor_ = std::make_unique<Compressor>(path);
}

OutputFile::~OutputFile() = default;

void OutputFile::write(std::string_view bytes) {
    if (compressor_ != nullptr)
        compressor_->write(bytes, *target_);
    else
        target_->write(bytes);
}

void OutputFile::commit() {
    if (compressor_ != nullptr) compressor_->finish(*target_);
    target_->commit();
}

void flush_standard_output() {
    const bool failed = !std::cout;
    errno = 0;
    if (failed) {  // the cause was not kept: a line more, to what is spoilt already, meets it again
        std::cout.clear();
        std::cout.put('\n');
    }
    std::cout.flush();
    if (std::cout && !failed) return;
    throw cannot_write("the standard output", errno != 0 ? std::strerror(errno) : "the stream has failed");
}

}  // namespace tiffany::pal
