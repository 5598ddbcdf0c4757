#pragma once
/// The log: makes lines of events and hands them to its target, some at once.

#include <memory>

#include "pal_line.hpp"
#include "pal_outlet.hpp"
#include "pal_target.hpp"

namespace tiffany::detail {

class PalLog : public PalOutlet {
  public:
    /// Errors: std::bad_alloc.
    PalLog(std::unique_ptr<PalTarget> target, std::shared_ptr<PalLines> lines);

    void worker(pal::WorkerId id, std::uint64_t position) noexcept override;
    bool event(const PalEvent& event) noexcept override;
    bool gap(const pal::Gap& gap) noexcept override;
    void lost_others(std::uint64_t count) noexcept override { workers_.lost_others += count; }
    bool looked(bool told, bool flush) noexcept override;
    void end() noexcept override;

    void lock() noexcept override { target_->lock(); }
    void unlock() noexcept override { target_->unlock(); }
    void become_child() noexcept override { target_->become_child(); }

  private:
    void touch(std::size_t index, std::uint64_t from, std::uint64_t to) noexcept;
    void learn(const PalEvent& event) noexcept;
    void stamp(std::uint64_t ts_ns) noexcept;
    void hand_over() noexcept;

    std::shared_ptr<PalLines> lines_;
    std::unique_ptr<PalTarget> target_;
    PalWorkers workers_;
    const std::size_t batch_bytes_;
    std::unique_ptr<char[]> text_;
    char* end_;
    bool wanted_;
    PalBatch batch_;  // but its lines
    std::uint64_t last_ts_ns_ = 0;
    std::uint64_t tended_ns_ = 0;
};

}  // namespace tiffany::detail
