#pragma once
/// Recognises records without a `seq` of their own (Worker, Park, Note, ...) that two inputs both hold.
///
/// Such a record is a copy if another source has given one with the same content after the same seq of its worker, or
/// at the same time. Two that one source holds itself are two. So a copy is told twice where a source does not know the
/// seq (it begins in the middle, with such a record), or lost the transition just before it, or comes after kMostKept
/// others. Memory: those. Not shared between threads.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string_view>
#include <tiffany/pal/record.hpp>
#include <unordered_map>
#include <vector>

#include "anchors.hpp"

namespace tiffany::ctf {

class Duplicates {
  public:
    static constexpr std::size_t kMostKept = 16'384;

    /// Whether another source has already given this record. Records come by time.
    /// @param anchor  what Anchors say of it in its source
    bool seen(std::size_t source, const pal::Record& record, std::uint64_t anchor) {
        if (record.ts_ns != ts_ns_) {
            ts_ns_ = record.ts_ns;
            of_this_time_.clear();
        }
        const std::size_t hash = hash_of(record, anchor);
        Kept* kept = find(record, anchor, hash);
        if (kept == nullptr) {
            keep(source, record, anchor, hash);
            return false;
        }
        if (++kept->by_source[source] <= kept->times) return true;
        ++kept->times;
        if (std::ranges::find(of_this_time_, kept) == of_this_time_.end()) of_this_time_.push_back(kept);
        return false;
    }

  private:
    struct Kept {
        pal::Record record;
        std::uint64_t anchor;
        std::size_t hash;
        std::size_t times;
        std::map<std::size_t, std::size_t> by_source;
    };

    static bool same(const pal::Record& a, const pal::Record& b) {
        return a.info == b.info && a.unknown == b.unknown && a.worker == b.worker && a.seq == b.seq && a.tid == b.tid &&
               a.step == b.step && a.numbers == b.numbers && a.texts == b.texts;
    }

    static std::size_t hash_of(const pal::Record& record, std::uint64_t anchor) {
        std::size_t hash = std::hash<const void*>{}(record.info);
        const auto add = [&hash](std::uint64_t value) { hash = (hash ^ value) * 0x9e37'79b9'7f4a'7c15 ^ hash >> 29; };
        for (const std::uint64_t value :
             {record.worker.instance, std::uint64_t{record.worker.index}, record.tid, anchor})
            add(value);
        for (const std::uint64_t value : record.numbers)
            add(value);
        for (const std::string& text : record.texts)
            add(std::hash<std::string_view>{}(text));
        return hash;
    }

    Kept* find(const pal::Record& record, std::uint64_t anchor, std::size_t hash) {
        if (anchor != kNoAnchor) {
            const auto [begin, end] = by_hash_.equal_range(hash);
            for (auto candidate = begin; candidate != end; ++candidate)
                if (candidate->second->anchor == anchor && same(candidate->second->record, record))
                    return &*candidate->second;
        }
        for (Kept* const kept : of_this_time_)
            if (same(kept->record, record)) return kept;
        return nullptr;
    }

    void keep(std::size_t source, const pal::Record& record, std::uint64_t anchor, std::size_t hash) {
        if (kept_.size() == kMostKept) forget_oldest();
        kept_.push_back({record, anchor, hash, 1, {{source, 1}}});
        by_hash_.emplace(hash, std::prev(kept_.end()));
        of_this_time_.push_back(&kept_.back());
    }

    void forget_oldest() {
        const auto [begin, end] = by_hash_.equal_range(kept_.front().hash);
        by_hash_.erase(std::find_if(begin, end, [this](const auto& entry) { return entry.second == kept_.begin(); }));
        std::erase(of_this_time_, &kept_.front());
        kept_.pop_front();
    }

    std::uint64_t ts_ns_ = 0;
    std::list<Kept> kept_;  // the oldest first
    std::unordered_multimap<std::size_t, std::list<Kept>::iterator> by_hash_;
    std::vector<Kept*> of_this_time_;
};

}  // namespace tiffany::ctf
