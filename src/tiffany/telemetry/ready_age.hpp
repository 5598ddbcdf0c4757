#pragma once
/// How long the oldest ready task has been ready, at least: known from counts of pushes and pops alone (ADR 19).
///
/// Of U tasks that had been pushed at one moment, at least U - P are still ready once P in all were popped, in whatever
/// order the queue serves them. So the first look whose U is above the pops of now tells since when, at the latest, a
/// task is waiting; for a queue that serves in order it tells so exactly, to the distance between two looks.

#include <array>
#include <cstddef>
#include <cstdint>

namespace tiffany::detail {

/// Not shared. Bounded: when it is full, every second look is forgotten, and of later ones every second is passed over.
/// So the age of a long backlog is told in steps of a 32nd of it.
class ReadyAge {
  public:
    /// Ticks of the earliest look from which a task is still waiting; 0 = of none that is known.
    /// @param pops  no fewer than had been popped when the caller read its clock for the answer
    std::uint64_t waiting_since(std::uint64_t pops) noexcept {
        std::size_t served = 0;
        while (served < size_ && looks_[served].pushes <= pops)
            ++served;
        size_ -= served;
        for (std::size_t i = 0; served != 0 && i < size_; ++i)
            looks_[i] = looks_[i + served];
        while (stride_ > 1 && size_ * stride_ < looks_.size() / 2)
            stride_ /= 2;
        return size_ == 0 ? 0 : looks_[0].ticks;
    }
    /// @param pushes  no more than had been pushed at `ticks`
    void keep(std::uint64_t pushes, std::uint64_t ticks) noexcept {
        if (pushes == 0 || (size_ != 0 && pushes <= looks_[size_ - 1].pushes)) return;  // the earlier look tells more
        if (++passed_over_ < stride_) return;
        passed_over_ = 0;
        if (size_ == looks_.size()) {
            for (std::size_t i = 1; i < size_ / 2; ++i)
                looks_[i] = looks_[2 * i];
            size_ /= 2;
            stride_ *= 2;
        }
        looks_[size_++] = {pushes, ticks};
    }
    void clear() noexcept {
        size_ = passed_over_ = 0;
        stride_ = 1;
    }

  private:
    struct Look {
        std::uint64_t pushes;
        std::uint64_t ticks;
    };
    std::array<Look, 64> looks_{};  // pushes and ticks rise
    std::size_t size_ = 0;
    std::size_t stride_ = 1;  // of so many looks one is kept
    std::size_t passed_over_ = 0;
};

}  // namespace tiffany::detail
