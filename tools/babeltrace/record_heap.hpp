#pragma once
/// Records of several sources, handed out by (ts, instance, worker, seq).
///
/// The order of events with equal time stamps on different CPUs is the muxer's whim, and a log's late records lie
/// behind their time: so every source has some records in here, and the earliest of all comes out. A source's records
/// come nearly in order, so each has a queue of its own, and a tournament tells whose first record is the first.
/// Memory: what is in it, beside the records, which are the caller's. Not shared between threads.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tiffany/pal/record.hpp>
#include <tuple>
#include <utility>
#include <vector>

namespace tiffany::ctf {

class RecordHeap {
  public:
    struct Place {
        std::size_t source;
        pal::Record* record;
        std::uint64_t anchor;  // as it was added
    };

    /// @param record  to live until it was taken out
    void add(std::size_t source, pal::Record& record, std::uint64_t anchor) {
        if (source >= queues_.size()) grow(source + 1);
        ++size_;
        if (queues_[source].add({record.ts_ns, record.worker.instance << 16 | record.worker.index, record.seq, count_++,
                                 &record, anchor}))
            play(source);
    }
    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; }

    const pal::Record& first() const { return *queues_[winner()][0].record; }

    template <typename Visit>
    void for_each(const Visit& visit) const {
        for (const Queue& queue : queues_)
            for (std::size_t i = 0; i < queue.size(); ++i)
                visit(*queue[i].record);
    }

    /// Takes the first out.
    Place take() {
        const std::size_t source = winner();
        const Entry entry = queues_[source].take();
        --size_;
        play(source);
        return {source, entry.record, entry.anchor};
    }

  private:
    struct Entry {
        std::uint64_t ts_ns;
        std::uint64_t worker;
        std::uint64_t seq;
        std::uint64_t count;  // as they came, where all else is equal
        pal::Record* record;
        std::uint64_t anchor;

        bool operator<(const Entry& other) const {
            return std::tie(ts_ns, worker, seq, count) < std::tie(other.ts_ns, other.worker, other.seq, other.count);
        }
    };

    /// What waits of one source, in order: a ring.
    class Queue {
      public:
        bool empty() const { return size_ == 0; }
        std::size_t size() const { return size_; }
        const Entry& operator[](std::size_t i) const { return ring_[(begin_ + i) & mask_]; }

        /// Returns whether it is the first now.
        bool add(const Entry& entry) {
            if (size_ == room_) grow();
            std::size_t place = size_++;
            for (; place != 0 && entry < at(place - 1); --place)  // late: seldom, and by little
                at(place) = at(place - 1);
            at(place) = entry;
            return place == 0;
        }
        Entry take() {
            const Entry taken = at(0);
            ++begin_;
            --size_;
            return taken;
        }

      private:
        Entry& at(std::size_t i) { return ring_[(begin_ + i) & mask_]; }
        void grow() {
            std::vector<Entry> greater(std::max<std::size_t>(16, 2 * ring_.size()));
            for (std::size_t i = 0; i < size_; ++i)
                greater[i] = at(i);
            ring_ = std::move(greater);
            room_ = ring_.size();
            mask_ = room_ - 1;
            begin_ = 0;
        }

        std::vector<Entry> ring_;
        std::size_t room_ = 0;  // its size, a power of two; to divide by that of an entry takes long
        std::size_t mask_ = 0;
        std::size_t begin_ = 0;
        std::size_t size_ = 0;
    };

    std::size_t winner() const { return tree_.size() == 1 ? 0 : tree_[1]; }

    /// The first record of a source is another than it was: its matches are played again, up to the final.
    void play(std::size_t source) {
        for (std::size_t node = (leaves() + source) / 2; node != 0; node /= 2)
            tree_[node] = better(contestant(2 * node), contestant(2 * node + 1));
    }
    std::size_t contestant(std::size_t node) const { return node >= leaves() ? node - leaves() : tree_[node]; }
    std::size_t better(std::size_t a, std::size_t b) const {
        if (b >= queues_.size() || queues_[b].empty()) return a;
        if (a >= queues_.size() || queues_[a].empty()) return b;
        return queues_[b][0] < queues_[a][0] ? b : a;
    }
    std::size_t leaves() const { return tree_.size(); }

    void grow(std::size_t sources) {
        queues_.resize(sources);
        std::size_t leaves = tree_.size();
        while (leaves < sources)
            leaves *= 2;
        tree_.assign(leaves, 0);
        for (std::size_t node = leaves - 1; node != 0; --node)
            tree_[node] = better(contestant(2 * node), contestant(2 * node + 1));
    }

    std::vector<Queue> queues_;         // of each source
    std::vector<std::size_t> tree_{0};  // [1] the winner; [i] that of [2 i] and [2 i + 1]; the leaves are sources
    std::size_t size_ = 0;
    std::uint64_t count_ = 0;
};

}  // namespace tiffany::ctf
