#pragma once
/// How long a worker has waited for LTTng's consumer daemon in vain, and whether that is enough: ADR 6.

#include <array>
#include <cstddef>
#include <cstdint>

namespace tiffany::detail {

/// Not shared: its worker's thread alone.
class LttngPatience {
  public:
    static constexpr std::uint64_t kGiveUpNs = 2'000'000'000;  ///< so long in vain: the consumer is dead
    /// So many events that come early show that a ring has room again: where a large one did not fit, up to 30 small
    /// ones may.
    static constexpr std::uint32_t kProof = 64;

    /// LTTng's buffer of one CPU, in the channel that takes one kind of events.
    struct Ring {
        int cpu = -1;
        std::uint8_t kind = 0;
        friend constexpr bool operator==(const Ring&, const Ring&) = default;
    };

    /// Whether there was a wait that nothing has explained yet.
    bool is_tried() const noexcept { return tried_; }
    bool is_over() const noexcept { return sum() >= kGiveUpNs; }
    /// How long it may still wait, for whatever.
    std::uint64_t left_ns() const noexcept { return is_over() ? 0 : kGiveUpNs - sum(); }

    /// Another worker has waited for it long enough.
    void give_up() noexcept {
        waits_.front() = {{}, kGiveUpNs, 0};  // of no CPU: nothing explains it
        tried_ = true;
    }

    /// A call waited in that ring, whether or not it found room in the end, for so long at most (LttngPolls). No ring:
    /// the worker waited for another one that waits there.
    void waited(Ring ring, std::uint64_t ns) noexcept {
        Wait* known = waits_.data();
        for (Wait& wait : waits_) {
            if (wait.ns != 0 && wait.ring == ring) {
                wait = {ring, wait.ns + ns, 0};
                return;
            }
            if (wait.ns < known->ns) known = &wait;
        }
        *known = {ring, ns, 0};
        tried_ = true;
    }

    /// A call found room at once. That tells of the consumer only in a ring that had none: another one may never have
    /// been full. It explains the waits elsewhere, too, if they were no longer: a short one may have been no wait for
    /// the consumer. Returns whether it did: the consumer lives.
    bool came_early(Ring ring) noexcept {
        for (Wait& wait : waits_) {
            if (wait.ns == 0 || wait.ring != ring || ++wait.came_early < kProof) continue;
            const std::uint64_t explained = wait.ns;
            for (Wait& other : waits_)
                if (other.ns <= explained && (other.ring != Ring{} || other.ns < kGiveUpNs)) other = {};
            tried_ = sum() != 0;
            return true;
        }
        return false;
    }

  private:
    struct Wait {
        Ring ring{};
        std::uint64_t ns = 0;  // 0: none
        std::uint32_t came_early = 0;
    };

    std::uint64_t sum() const noexcept {
        std::uint64_t ns = 0;
        for (const Wait& wait : waits_)
            ns += wait.ns;
        return ns;
    }

    // two of a second each are enough; the rest is for short ones, of which the shortest is forgotten
    std::array<Wait, 6> waits_{};
    bool tried_ = false;
};

}  // namespace tiffany::detail
