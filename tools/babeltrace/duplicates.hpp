#pragma once
/// Recognises records without a `seq` of their own (Worker, Park, Note, ...) that two inputs both hold.
///
/// Such a record is a copy if another source has given one with the same content after the same seq of its worker, or
/// at the same time. A source that has lost the transitions just before or after it knows the seq between two bounds:
/// then one with the same content within them, the nearest, is meant. Two that one source holds itself are two. So a
/// copy is told twice where a source does not know the seq (it begins in the middle, with such a record), or comes
/// after kMostKept others. Memory: those. Not shared between threads.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string_view>
#include <tiffany/pal/record.hpp>
#include <tuple>
#include <vector>

#include "anchors.hpp"

namespace tiffany::ctf {

class Duplicates {
  public:
    static constexpr std::size_t kMostKept = 16'384;

    /// Whether another source has already given this record. Records come by time.
    /// @param anchor, until  what Anchors say of it in its source
    bool seen(std::size_t source, const pal::Record& record, std::uint64_t anchor, std::uint64_t until) {
        if (record.ts_ns != ts_ns_) {
            ts_ns_ = record.ts_ns;
            of_this_time_.clear();
        }
        const std::size_t hash = hash_of(record);
        Kept* kept = find(source, record, {hash, anchor});
        if (kept == nullptr || !kept->may_be_of(source))
            if (Kept* const between = find_between(source, record, {hash, anchor}, until)) kept = between;
        if (kept == nullptr) {
            keep(source, record, {hash, anchor}, until);
            return false;
        }
        if (++kept->by_source[source] <= kept->times) return true;
        ++kept->times;
        if (std::ranges::find(of_this_time_, kept) == of_this_time_.end()) of_this_time_.push_back(kept);
        return false;
    }

  private:
    static constexpr int kMostTried = 64;

    struct Place {
        std::size_t hash;  // of the content
        std::uint64_t anchor;
        friend bool operator<(const Place& a, const Place& b) {
            return std::tie(a.hash, a.anchor) < std::tie(b.hash, b.anchor);
        }
    };
    struct Kept {
        pal::Record record;
        Place place;
        std::uint64_t until;
        std::size_t times;
        std::map<std::size_t, std::size_t> by_source;

        bool may_be_of(std::size_t source) const {
            const auto found = by_source.find(source);
            return found == by_source.end() || found->second < times;
        }
    };

    static bool same(const pal::Record& a, const pal::Record& b) {
        return a.info == b.info && a.unknown == b.unknown && a.worker == b.worker && a.seq == b.seq && a.tid == b.tid &&
               a.step == b.step && a.numbers == b.numbers && a.texts == b.texts;
    }

    static std::size_t hash_of(const pal::Record& record) {
        std::size_t hash = std::hash<const void*>{}(record.info);
        const auto add = [&hash](std::uint64_t value) { hash = (hash ^ value) * 0x9e37'79b9'7f4a'7c15 ^ hash >> 29; };
        for (const std::uint64_t value : {record.worker.instance, std::uint64_t{record.worker.index}, record.tid})
            add(value);
        for (const std::uint64_t value : record.numbers)
            add(value);
        for (const std::string& text : record.texts)
            add(std::hash<std::string_view>{}(text));
        return hash;
    }

    /// What another source told at the same time is the same record, as of a packet that two traces have: that goes
    /// first, or one of an equal place would be taken for it, and which one hangs on who is asked first.
    Kept* find(std::size_t source, const pal::Record& record, const Place& place) {
        for (Kept* const kept : of_this_time_)
            if (kept->may_be_of(source) && same(kept->record, record)) return kept;
        if (place.anchor != kNoAnchor) {
            const auto [begin, end] = by_place_.equal_range(place);
            for (auto candidate = begin; candidate != end; ++candidate)
                if (same(candidate->second->record, record)) return &*candidate->second;
        }
        for (Kept* const kept : of_this_time_)
            if (same(kept->record, record)) return kept;
        return nullptr;
    }

    /// Where this source, or the one that gave it, has lost the transition before it. The latest: that is the nearest.
    Kept* find_between(std::size_t source, const pal::Record& record, const Place& place, std::uint64_t until) {
        if (place.anchor == kNoAnchor) return nullptr;
        auto candidate = by_place_.upper_bound({place.hash, until});
        for (int tried = 0; tried < kMostTried && candidate != by_place_.begin(); ++tried) {
            Kept& kept = *(--candidate)->second;
            if (kept.place.hash != place.hash) break;
            const bool within = kept.place.anchor > place.anchor || kept.until >= place.anchor;
            if (within && kept.may_be_of(source) && same(kept.record, record)) return &kept;
        }
        return nullptr;
    }

    void keep(std::size_t source, const pal::Record& record, const Place& place, std::uint64_t until) {
        if (kept_.size() == kMostKept) forget_oldest();
        kept_.push_back({record, place, until, 1, {{source, 1}}});
        by_place_.emplace(place, std::prev(kept_.end()));
        of_this_time_.push_back(&kept_.back());
    }

    void forget_oldest() {
        const auto [begin, end] = by_place_.equal_range(kept_.front().place);
        by_place_.erase(std::find_if(begin, end, [this](const auto& entry) { return entry.second == kept_.begin(); }));
        std::erase(of_this_time_, &kept_.front());
        kept_.pop_front();
    }

    std::uint64_t ts_ns_ = 0;
    std::list<Kept> kept_;  // the oldest first
    std::multimap<Place, std::list<Kept>::iterator> by_place_;
    std::vector<Kept*> of_this_time_;
};

}  // namespace tiffany::ctf
