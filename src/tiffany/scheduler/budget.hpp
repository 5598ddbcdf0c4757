#pragma once
/// How long a task may run in each period.

#include <cstdint>

namespace tiffany::detail {

/// Run time is charged; each period that passes pays for `limit_ns` of it. A task is past its budget while more than
/// `limit_ns` is unpaid. Not shared.
class Budget {
  public:
    Budget() = default;
    Budget(std::uint64_t limit_ns, std::uint64_t period_ns, std::uint64_t now_ns) noexcept
        : limit_ns_{limit_ns}, period_ns_{period_ns == 0 ? 1 : period_ns}, period_began_ns_{now_ns} {}

    bool limited() const noexcept { return limit_ns_ != 0; }
    void charge(std::uint64_t run_ns) noexcept { used_ns_ += run_ns; }

    /// How long it has to park; 0 = it is within its budget.
    std::uint64_t park_ns(std::uint64_t now_ns) noexcept {
        const std::uint64_t periods = (now_ns - period_began_ns_) / period_ns_;
        period_began_ns_ += periods * period_ns_;
        const std::uint64_t periods_to_pay_all = (used_ns_ + limit_ns_ - 1) / limit_ns_;
        used_ns_ = periods >= periods_to_pay_all ? 0 : used_ns_ - periods * limit_ns_;
        if (used_ns_ <= limit_ns_) return 0;
        const std::uint64_t periods_to_come = (used_ns_ - 1) / limit_ns_;  // until not more than the limit is left
        return period_began_ns_ + periods_to_come * period_ns_ - now_ns;
    }

  private:
    std::uint64_t limit_ns_ = 0;
    std::uint64_t period_ns_ = 1;
    std::uint64_t period_began_ns_ = 0;
    std::uint64_t used_ns_ = 0;
};

}  // namespace tiffany::detail
