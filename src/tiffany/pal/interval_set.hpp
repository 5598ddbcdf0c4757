#pragma once
/// A set of numbers that come nearly in order: sequence numbers, task ids. Private to pal.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace tiffany::pal {

/// Memory grows with the holes, not with the numbers.
class IntervalSet {
  public:
    IntervalSet() = default;
    IntervalSet(const IntervalSet&) = delete;  // `highest_` points into `intervals_`
    IntervalSet& operator=(const IntervalSet&) = delete;

    /// Adds first..last. Returns whether none of them was in it.
    bool add(std::uint64_t first, std::uint64_t last) {
        if (goes_on_with(first)) {  // the usual case
            *highest_ = last;
            return true;
        }
        return insert(first, last);
    }
    bool add(std::uint64_t number) { return add(number, number); }

    /// It is the one after the highest.
    bool goes_on_with(std::uint64_t number) const {
        return highest_ != nullptr && number > *highest_ && number - *highest_ == 1;
    }
    /// Adds that one.
    void add_next() { ++*highest_; }
    bool has(std::uint64_t number) const {
        const auto after = intervals_.upper_bound(number);
        return after != intervals_.begin() && std::prev(after)->second >= number;
    }

    bool empty() const { return intervals_.empty(); }
    std::size_t size() const { return intervals_.size(); }  ///< intervals
    std::uint64_t lowest() const { return intervals_.begin()->first; }
    std::uint64_t highest() const { return *highest_; }

    using Map = std::map<std::uint64_t, std::uint64_t>;  ///< first -> last
    Map::const_iterator begin() const { return intervals_.begin(); }
    Map::const_iterator end() const { return intervals_.end(); }

  private:
    bool insert(std::uint64_t first, std::uint64_t last) {
        bool is_new = true;
        auto after = intervals_.upper_bound(first);
        if (after != intervals_.begin()) {
            const auto before = std::prev(after);
            if (before->second >= first) is_new = false;
            if (before->second >= first || first - before->second == 1) {  // grows the one before it
                first = before->first;
                if (before->second > last) last = before->second;
                intervals_.erase(before);
            }
        }
        while (after != intervals_.end() && (after->first <= last || after->first - last == 1)) {
            if (after->first <= last) is_new = false;
            if (after->second > last) last = after->second;
            after = intervals_.erase(after);
        }
        intervals_.emplace_hint(after, first, last);
        highest_ = &intervals_.rbegin()->second;
        return is_new;
    }

    Map intervals_;
    std::uint64_t* highest_ = nullptr;  // in the last of them
};

}  // namespace tiffany::pal
