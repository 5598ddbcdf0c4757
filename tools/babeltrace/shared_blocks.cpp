#include "shared_blocks.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tiffany/pal/error.hpp>

namespace tiffany::ctf {

// Nothing but bytes. A semaphore here would be the child's to write, and the parent's sem_post would call the kernel as
// it says: to wait for ever, or with what makes glibc abort.
struct SharedBlocks::Memory {
    std::array<std::array<char, kBytes>, kBlocks> blocks;
};

SharedBlocks::SharedBlocks() {
    // only the writing end does not wait: it is an open file of its own, whose flags the child's end has no part in
    const bool piped = ::pipe2(empty_.data(), O_CLOEXEC) == 0 && ::fcntl(empty_[1], F_SETFL, O_NONBLOCK) == 0;
    void* const place =
        piped ? ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    if (place == MAP_FAILED) {
        const int cause = errno;
        for (const int end : empty_)
            if (end >= 0) ::close(end);
        throw Error{ErrorKind::system, std::string{"no memory to share with a decoder: "} + std::strerror(cause)};
    }
    memory_ = static_cast<Memory*>(place);
    constexpr std::array<char, kBlocks> kAll{};
    static_cast<void>(::write(empty_[1], kAll.data(), kAll.size()));  // a new pipe has the room
}

SharedBlocks::~SharedBlocks() {
    for (const int end : empty_)
        ::close(end);
    ::munmap(memory_, sizeof(Memory));
}

std::size_t SharedBlocks::fill(std::string_view bytes) {
    while (!has_block_) {
        char one = 0;
        const ssize_t got = ::read(empty_[0], &one, sizeof one);
        if (got < 0 && errno == EINTR) continue;
        if (got != 1) throw Error{ErrorKind::system, "nobody takes what is decoded"};
        has_block_ = true;
    }
    const std::string_view part = bytes.substr(0, kBytes - filled_);
    std::memcpy(memory_->blocks[next_ % kBlocks].data() + filled_, part.data(), part.size());
    filled_ += part.size();
    return part.size();
}

void SharedBlocks::hand_over() {
    ++next_;
    filled_ = 0;
    has_block_ = false;
}

std::string_view SharedBlocks::full(std::size_t bytes) const {
    return {memory_->blocks[next_ % kBlocks].data(), std::min(bytes, kBytes)};
}

void SharedBlocks::empty() {
    ++next_;
    constexpr char kOne = 0;
    // a pipe that is full belongs to a child that tells of blocks and takes none: it has more than it needs
    while (::write(empty_[1], &kOne, sizeof kOne) < 0 && errno == EINTR) {
    }
}

}  // namespace tiffany::ctf
