#pragma once
/// Steps of tasks that are missing from an instance's log. Whether that is a broken rule is known at the end.
/// Private to pal.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tiffany::pal {

constexpr std::uint64_t add_capped(std::uint64_t a, std::uint64_t b) {
    return a > ~std::uint64_t{0} - b ? ~std::uint64_t{0} : a + b;
}

/// Memory is bounded: of very many holes it is known only about when they were found.
class Holes {
  public:
    /// @param ns     when the first step behind the missing ones was taken
    /// @param steps  how many are missing
    void add(std::uint64_t ns, std::uint64_t steps) {
        if (parts_.size() == kMostParts) halve();
        parts_.push_back({ns, steps, 1});
    }
    /// What to say of the one that was added last, should it be a broken rule. The first ones are enough.
    void say(std::string finding) { findings_.emplace_back(parts_.back().ns, std::move(finding)); }

    bool empty() const { return parts_.empty(); }
    std::size_t said() const { return findings_.size(); }
    /// Missing steps of the holes that were found by then.
    std::uint64_t steps_until(std::uint64_t ns) const { return sum_until(ns, &Part::steps); }
    std::uint64_t count_until(std::uint64_t ns) const { return sum_until(ns, &Part::count); }
    std::vector<std::string> findings_until(std::uint64_t ns) const {
        std::vector<std::string> made;
        for (const auto& [found_ns, finding] : findings_)
            if (found_ns <= ns) made.push_back(finding);
        return made;
    }

  private:
    struct Part {
        std::uint64_t ns;
        std::uint64_t steps;
        std::uint64_t count;
    };
    static constexpr std::size_t kMostParts = 4096;

    std::uint64_t sum_until(std::uint64_t ns, std::uint64_t Part::*what) const {
        std::uint64_t sum = 0;
        for (const Part& part : parts_)
            if (part.ns <= ns) sum = add_capped(sum, part.*what);
        return sum;
    }
    /// Two that were found one after the other become one, found when the later one was.
    void halve() {
        std::ranges::sort(parts_, {}, &Part::ns);
        for (std::size_t i = 0; i < kMostParts / 2; ++i) {
            const Part& a = parts_[2 * i];
            const Part& b = parts_[2 * i + 1];
            parts_[i] = {b.ns, add_capped(a.steps, b.steps), a.count + b.count};
        }
        parts_.resize(kMostParts / 2);
    }

    std::vector<Part> parts_;
    std::vector<std::pair<std::uint64_t, std::string>> findings_;
};

}  // namespace tiffany::pal
