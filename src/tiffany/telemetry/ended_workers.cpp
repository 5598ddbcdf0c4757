#include "ended_workers.hpp"

namespace tiffany::detail {
namespace {

using Number = std::atomic<std::uint64_t>;

void add_number(Number& to, const Number& from) noexcept {
    add(to, from.load(std::memory_order_relaxed));
}

void add_histogram(HistogramShard& to, const HistogramShard& from) noexcept {
    for (std::size_t i = 0; i < to.buckets.size(); ++i)
        add_number(to.buckets[i], from.buckets[i]);
    add_number(to.sum_ns, from.sum_ns);
}

}  // namespace

void EndedWorkers::take(const Shard& from) noexcept {
    for (std::size_t state = 0; state < shard.moves.size(); ++state)
        for (std::size_t move = 0; move < kMoves; ++move)
            add_number(shard.moves[state][move], from.moves[state][move]);
    for (std::size_t state = 0; state < kTaskStates; ++state)
        add_number(shard.inherited[state], from.inherited[state]);
    for (std::size_t i = 0; i < kMaxGroups; ++i) {
        const GroupShard* group = from.groups[i].load(std::memory_order_relaxed);
        if (group == nullptr) continue;
        GroupShard& to = *shard.groups[i].load(std::memory_order_relaxed);
        add_histogram(to.run, group->run);
        add_histogram(to.ready, group->ready);
        for (std::size_t kind = 0; kind < kWaitKinds; ++kind)
            add_histogram(to.wait[kind], group->wait[kind]);
    }
}

}  // namespace tiffany::detail
