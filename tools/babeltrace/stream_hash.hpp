#pragma once
/// A hash of a stream of bytes, however it is cut into pieces: to tell whether two passes gave the same. Not for what
/// somebody may have made on purpose.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tiffany::ctf {

class StreamHash {
  public:
    void add(std::string_view bytes) {
        if (bytes.empty()) return;
        size_ += bytes.size();
        if (carried_ != 0) {
            const std::size_t part = std::min(bytes.size(), kBlock - carried_);
            std::memcpy(carry_.data() + carried_, bytes.data(), part);
            carried_ += part;
            bytes.remove_prefix(part);
            if (carried_ < kBlock) return;
            mix(carry_.data());
            carried_ = 0;
        }
        for (; bytes.size() >= kBlock; bytes.remove_prefix(kBlock))
            mix(bytes.data());
        if (bytes.empty()) return;
        std::memcpy(carry_.data(), bytes.data(), bytes.size());
        carried_ = bytes.size();
    }

    std::uint64_t size() const { return size_; }

    std::uint64_t value() const {
        StreamHash whole = *this;
        if (carried_ != 0) {
            std::memset(whole.carry_.data() + carried_, 0, kBlock - carried_);
            whole.mix(whole.carry_.data());
        }
        std::uint64_t value = size_;
        for (const std::uint64_t lane : whole.lanes_)
            value = (value ^ lane) * kOdd;
        return value ^ value >> 32U;
    }

  private:
    static constexpr std::size_t kLanes = 4;  // side by side, as a vector
    static constexpr std::size_t kBlock = kLanes * sizeof(std::uint64_t);
    static constexpr std::uint64_t kOdd = 0x9e37'79b9'7f4a'7c15;

    void mix(const char* block) {
        for (std::size_t i = 0; i < kLanes; ++i) {
            std::uint64_t word = 0;
            std::memcpy(&word, block + i * sizeof word, sizeof word);
            lanes_[i] = (lanes_[i] << 27U | lanes_[i] >> 37U) + (lanes_[i] << 3U) + word;
        }
    }

    std::array<std::uint64_t, kLanes> lanes_{1, 2, 3, 4};
    std::array<char, kBlock> carry_{};
    std::size_t carried_ = 0;
    std::uint64_t size_ = 0;
};

}  // namespace tiffany::ctf
