// What is missing after the last record of each worker; the End.

#include <algorithm>
#include <numeric>
#include <tiffany/pal/loss.hpp>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loss_parts.hpp"

namespace tiffany::pal {

/// Sources that tell of the same process are one group: what is lost in one may be there in another.
void LossJudge::add_tails(End& end) {
    std::vector<std::size_t> group(sources_.size());
    std::iota(group.begin(), group.end(), std::size_t{0});
    const auto find = [&group](std::size_t source) {
        while (group[source] != source)
            source = group[source];
        return source;
    };
    for (const auto& [instance, telling] : instances_)
        for (const std::size_t source : telling)
            group[find(source)] = find(telling.front());

    struct Group {
        std::uint64_t gaps = 0;     // lost in gaps
        std::uint64_t stopped = 0;  // tails that worker_stopped tells
        bool all_stopped = true;
        std::size_t traces = 0;
        std::size_t logs = 0;
        bool has_whole_log = false;
        std::uint64_t counted = 0;  // the tail that discarded counts tell
        bool counted_at_most = false;
        std::uint64_t told = 0;
        bool at_most = false;
    };
    std::unordered_map<std::size_t, Group> groups;
    for (const auto& [key, worker] : workers_) {
        Group& in = groups[find(worker->sources->front())];
        in.gaps += worker->lost;
        if (worker->judged && worker->has_stopped)
            in.stopped += minus(worker->stopped, std::max(worker->last, worker->gap_to));
        if (worker->known && !(worker->has_stopped && worker->stopped >= worker->last)) in.all_stopped = false;
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        Group& in = groups[find(i)];
        ++(sources_[i]->is_log ? in.logs : in.traces);
        // one that ends before the process did, as it was turned over, lacks what came later
        const bool to_the_end = std::ranges::all_of(workers_, [&](const auto& worker) {
            return find(worker.second->sources->front()) != find(i) || !worker.second->known ||
                   sources_[i]->stops.contains(worker.first);
        });
        in.has_whole_log = in.has_whole_log || (sources_[i]->is_whole && to_the_end);
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        const Source& source = *sources_[i];
        Group& in = groups[find(i)];
        std::uint64_t found_elsewhere = 0;
        std::uint64_t known_elsewhere = 0;  // to be there, or to be lost
        for (const auto& [key, last] : source.last) {
            const Worker& worker = *workers_.at(key);
            const auto told_to = source.told_to.find(key);
            const std::uint64_t here = std::max(last, told_to == source.told_to.end() ? 0 : told_to->second);
            found_elsewhere += minus(worker.last, last);
            known_elsewhere += minus(std::max(worker.last, worker.gap_to), here);
        }
        if (source.is_log) {
            in.told = std::max(in.told, minus(source.told_tail, known_elsewhere));
            in.at_most = in.at_most || source.told_at_most;
            continue;
        }
        const std::uint64_t mixed = in.all_stopped ? 0 : clamped(source.mixed);
        const std::uint64_t counted = clamped(source.exact) + mixed;
        if (in.traces == 1 && in.logs == 0) {
            in.counted = minus(counted, in.gaps);
            in.counted_at_most = mixed != 0;
        } else if (in.traces == 1) {
            // what of it the logs have is in none of its gaps here; a log that lacks nothing leaves nothing to count
            if (in.has_whole_log && in.all_stopped) continue;
            const std::uint64_t gaps = std::max(in.gaps, minus(source.missing, untraced_));
            in.counted = minus(minus(counted, gaps), found_elsewhere);
            in.counted_at_most = mixed != 0 || (untraced_ != 0 && groups.size() > 1);
        } else if (!in.all_stopped) {
            // parts or copies of one recording: each has a tail of its own, unless another goes on where it ends
            const std::uint64_t gaps = untraced_ == 0 ? source.missing : 0;
            in.counted = std::max(in.counted, minus(minus(counted, gaps), known_elsewhere));
            in.counted_at_most = true;
        }
    }
    for (const auto& [root, in] : groups) {
        end.tail += std::max({in.stopped, in.counted, in.told});
        end.at_most = end.at_most || in.at_most || (in.counted_at_most && in.counted > in.stopped);
    }
}

/// What logs say is missing after a worker's last transition is as true as what they say of the middle: these Gaps
/// stand at the end, because only now it is known that nothing follows them.
void LossJudge::tell_last_gaps() {
    std::vector<std::pair<Worker*, Gap>> last;
    for (const auto& [key, worker] : workers_)
        for (const Gap& said : worker->told)
            if (worker->judged && said.to_seq > worker->last) last.emplace_back(worker.get(), said);
    std::ranges::sort(last, {}, [](const auto& each) {
        return std::tuple{each.second.ts_ns, key_of(each.second.worker), each.second.from_seq, each.second.to_seq};
    });
    for (const auto& [worker, said] : last) {
        if (!worker->known) {
            worker->known = true;
            worker->first = said.from_seq;
            worker->last = said.from_seq - 1;
        }
        const std::uint64_t from = std::max(worker->last, worker->gap_to) + 1;
        if (said.to_seq < from) continue;
        last_ts_ = std::max(last_ts_, said.ts_ns);
        worker->gap_to = said.to_seq;
        jump(*worker, from, said.to_seq, last_ts_, false);
    }
    while (!held_.empty())
        settle_first();
}

End LossJudge::finish(std::uint64_t bad_parts, std::vector<std::string> uncounted) {
    while (!held_.empty())
        settle_first();
    tell_last_gaps();
    End end;
    end.ts_ns = last_ts_;
    end.records = records_;
    end.at_most = late_;
    end.bad_parts = bad_parts;
    end.uncounted = std::move(uncounted);
    add_tails(end);
    end.lost = lost_ + end.tail;
    for (const auto& source : sources_)
        end.lost_others += clamped(source->others);
    out_.end(end);
    return end;
}

}  // namespace tiffany::pal
