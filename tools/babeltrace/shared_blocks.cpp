#include "shared_blocks.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <tiffany/pal/error.hpp>

namespace tiffany::ctf {

struct SharedBlocks::Memory {
    sem_t empty;  // how many are; the child waits on it, the parent only raises it, whatever the child makes of it
    std::array<std::array<char, kBytes>, kBlocks> blocks;
};

SharedBlocks::SharedBlocks() {
    void* const place = ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        throw Error{ErrorKind::system, std::string{"no memory to share with a decoder: "} + std::strerror(errno)};
    memory_ = static_cast<Memory*>(place);  // zeros
    ::sem_init(&memory_->empty, 1, kBlocks);
}

SharedBlocks::~SharedBlocks() {
    ::munmap(memory_, sizeof(Memory));
}

std::size_t SharedBlocks::fill(std::string_view bytes) {
    while (!has_block_)
        has_block_ = ::sem_wait(&memory_->empty) == 0 || errno != EINTR;
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
    ::sem_post(&memory_->empty);
}

}  // namespace tiffany::ctf
