#include "input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <tiffany/pal/error.hpp>

namespace tiffany::pal {
namespace {

constexpr unsigned char kMagic[] = {0x28, 0xB5, 0x2F, 0xFD};
constexpr int kMaxWindowLog = 27;  // 128 MiB, the bound of the zstd command too: a hostile frame may ask for more

Error cannot_read(const std::string& name) {
    return Error{ErrorKind::system, "cannot read " + name + ": " + std::strerror(errno)};
}

}  // namespace

bool has_zstd_magic(std::span<const char> front) {
    return front.size() >= sizeof kMagic && std::memcmp(front.data(), kMagic, sizeof kMagic) == 0;
}

/// Any number of zstd frames.
class InputFile::Decompressor {
  public:
    Decompressor() : context_{ZSTD_createDCtx(), ZSTD_freeDCtx} {
        if (context_ == nullptr) throw std::bad_alloc{};
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
    }

    std::size_t read(std::span<char> into, InputFile& file) {
        ZSTD_outBuffer out{into.data(), into.size(), 0};
        while (out.pos == 0) {
            if (file.stopped_.load(std::memory_order_relaxed)) return 0;  // nothing follows from it but the end
            if (in_.pos == in_.size && !may_hold_more_) {
                in_ = {buffer_.data(), file.read_raw(buffer_), 0};
                if (in_.size == 0) {
                    if (in_frame_) throw Error{ErrorKind::content, "the compressed data is cut"};
                    return 0;
                }
            }
            const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in_);
            if (ZSTD_isError(left) != 0)
                throw Error{ErrorKind::content,
                            std::string{"the compressed data is corrupt: "} + ZSTD_getErrorName(left)};
            in_frame_ = left != 0;
            may_hold_more_ = out.pos == out.size && in_frame_;
        }
        return out.pos;
    }

  private:
    std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_;
    std::vector<char> buffer_ = std::vector<char>(ZSTD_DStreamInSize());
    ZSTD_inBuffer in_{nullptr, 0, 0};
    bool in_frame_ = false;
    bool may_hold_more_ = false;  // the output was full: there may be more without more input
};

InputFile::InputFile(const std::string& path) : name_{path} {
    if (path == "-") {
        name_ = "the standard input";
        fd_ = STDIN_FILENO;
    } else {
        if (path.empty()) throw Error{ErrorKind::system, "cannot read the input: its name is empty"};
        fd_ = ::open(path.c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC);
        if (fd_ < 0) throw cannot_read(name_);
    }
    struct stat file {};
    is_regular_ = ::fstat(fd_, &file) == 0 && S_ISREG(file.st_mode);
}

InputFile::~InputFile() {
    if (fd_ > STDIN_FILENO) ::close(fd_);
}

std::size_t InputFile::read(std::span<char> into) {
    if (!sniffed_) sniff();
    return decompressor_ != nullptr ? decompressor_->read(into, *this) : read_raw(into);
}

std::size_t InputFile::read_raw(std::span<char> into) {
    if (front_used_ < front_.size()) {
        const std::size_t bytes = std::min(into.size(), front_.size() - front_used_);
        std::memcpy(into.data(), front_.data() + front_used_, bytes);
        front_used_ += bytes;
        return bytes;
    }
    for (;;) {
        const ssize_t bytes = ::read(fd_, into.data(), into.size());
        if (bytes >= 0) return static_cast<std::size_t>(bytes);
        if (errno != EINTR) throw cannot_read(name_);
    }
}

void InputFile::sniff() {
    std::vector<char> front(sizeof kMagic);
    std::size_t size = 0;
    while (size < front.size()) {
        const std::size_t bytes = read_raw(std::span{front}.subspan(size));
        if (bytes == 0) break;
        size += bytes;
    }
    front.resize(size);
    if (has_zstd_magic(front)) decompressor_ = std::make_unique<Decompressor>();
    front_ = std::move(front);
    sniffed_ = true;
}

}  // namespace tiffany::pal
