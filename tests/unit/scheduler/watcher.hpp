#pragma once
/// What the telemetry told of one program: counts, and what the checker of lives says.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <tiffany/pal/lifecycle.hpp>
#include <tiffany/pal/sink.hpp>
#include <utility>

namespace tiffany::testing {

/// Thread-safe.
class Watcher : public pal::Sink {
  public:
    struct Told {
        pal::LifecycleReport report;
        std::array<std::uint64_t, kTransitions> transitions{};  ///< by TaskEvent
    };

    void record(const pal::Record& record) override {
        const std::lock_guard lock{mutex_};
        if (record.info->id == EventId::WorkerStarted) before_.try_emplace(record.worker, record.seq);
        pal::Record from_here = record;
        from_here.seq -= before_[record.worker];
        checker_->record(from_here);
        if (record.is_transition()) ++told_.transitions[static_cast<std::size_t>(record.info->id)];
    }
    void gap(const pal::Gap& gap) override {
        const std::lock_guard lock{mutex_};
        pal::Gap from_here = gap;
        from_here.from_seq -= before_[gap.worker];
        from_here.to_seq -= before_[gap.worker];
        checker_->gap(from_here);
    }

    /// What was told since the last call.
    Told take() {
        const std::lock_guard lock{mutex_};
        before_.clear();
        Told told = std::exchange(told_, {});
        told.report = std::exchange(checker_, std::make_unique<pal::LifecycleChecker>())->finish();
        return told;
    }

  private:
    std::mutex mutex_;
    std::unique_ptr<pal::LifecycleChecker> checker_ = std::make_unique<pal::LifecycleChecker>();
    std::map<pal::WorkerId, std::uint64_t> before_;  // seq with which a worker began: the checker sees it begin with 0
    Told told_;
};

}  // namespace tiffany::testing
