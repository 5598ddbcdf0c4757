#pragma once
/// A map from numbers that are handed out in order, of which few are used at a time: tids. Private to pal and analysis.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <unordered_map>
#include <vector>

#include "number_hash.hpp"

namespace tiffany::pal {

/// An std::unordered_map, and before it the places of the values that were used last: by the lowest bits of the number,
/// which those of tasks that live at one time seldom share. Values stay where they are. Not shared between threads.
template <typename Value>
class NearMap {
  public:
    NearMap() = default;
    NearMap(const NearMap&) = delete;  // `near_` points into `all_`
    NearMap& operator=(const NearMap&) = delete;

    /// The value of `key` if it was used lately; or null, which tells nothing.
    Value* near(std::uint64_t key) {
        const Near& near = near_of(key);
        return near.key == key ? near.value : nullptr;
    }
    /// The value of `key`, or null.
    Value* find(std::uint64_t key) {
        Near& near = near_of(key);
        if (near.value != nullptr && near.key == key) return near.value;
        const auto found = all_.find(key);
        if (found == all_.end()) return nullptr;
        near = {key, &found->second};
        return near.value;
    }
    /// The same, made if it is not there.
    Value& at(std::uint64_t key) {
        const Near& near = near_of(key);
        if (near.value != nullptr && near.key == key) return *near.value;
        return far_at(key);
    }
    void erase(std::uint64_t key) {
        Near& near = near_of(key);
        if (near.key == key) near = {};
        all_.erase(key);
    }
    /// Calls `gone(key, value)` for each, in no order, and erases those for which it returns true.
    template <typename Gone>
    void erase_if(Gone gone) {
        near_.assign(near_.size(), {});
        for (auto item = all_.begin(); item != all_.end();)
            item = gone(item->first, item->second) ? all_.erase(item) : std::next(item);
    }

    bool empty() const { return all_.empty(); }
    auto begin() const { return all_.begin(); }
    auto end() const { return all_.end(); }

  private:
    static constexpr std::size_t kLeastNear = 16, kMostNear = 2048;  // 32 KiB: it is to stay in the caches
    struct Near {
        std::uint64_t key = 0;
        Value* value = nullptr;
    };

    [[gnu::noinline]] Value& far_at(std::uint64_t key) {
        const auto [place, is_new] = all_.try_emplace(key);
        if (is_new && all_.size() > near_.size() && near_.size() < kMostNear) {
            near_.assign(std::max(kLeastNear, 2 * near_.size()), {});
            mask_ = near_.size() - 1;
        }
        near_of(key) = {key, &place->second};
        return place->second;
    }
    Near& near_of(std::uint64_t key) { return near_[key & mask_]; }

    std::unordered_map<std::uint64_t, Value, NumberHash> all_;
    std::vector<Near> near_ =
        std::vector<Near>(1);  // a power of two; 1 for the many maps that never hold a second value
    std::size_t mask_ = 0;     // its size less 1
};

}  // namespace tiffany::pal
