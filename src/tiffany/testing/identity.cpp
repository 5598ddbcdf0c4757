#include <tiffany/testing/identity.hpp>

#include <array>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

namespace tiffany::testing {
namespace {

/// Numbers things by first appearance; 0 stays 0, which means none.
class Renumbering {
  public:
    explicit Renumbering(std::uint64_t first) : next_{first} {}
    std::uint64_t of(std::uint64_t old) {
        if (old == 0) return 0;
        const auto [at, is_new] = known_.try_emplace(old, next_);
        if (is_new) ++next_;
        return at->second;
    }

  private:
    std::map<std::uint64_t, std::uint64_t> known_;
    std::uint64_t next_;
};

class Retelling {
  public:
    explicit Retelling(const Identity& identity)
        : identity_{identity},
          tids_{identity.first_tid},
          threads_{identity.thread},
          resources_{identity.first_resource},
          generations_{1} {}

    void read_base(const pal::Record& record) {
        if (record.seq == 0 && !is_position(record)) return;
        const std::uint64_t base = is_position(record) ? record.seq : record.seq - 1;
        auto [at, is_new] = bases_.try_emplace(record.worker, base);
        if (!is_new) at->second = std::min(at->second, base);
    }
    void read_base(const pal::Gap& gap) {
        auto [at, is_new] = bases_.try_emplace(gap.worker, gap.from_seq - 1);
        if (!is_new) at->second = std::min(at->second, gap.from_seq - 1);
    }

    void retell(pal::Record& record) {
        record.ts_ns += identity_.epoch_ns;
        record.host = identity_.host;
        record.pid = identity_.pid;
        const std::uint64_t base = bases_[record.worker];
        if (record.seq != 0) record.seq -= base;
        record.worker = worker_of(record.worker);
        record.tid = tids_.of(record.tid);
        for (const std::string_view task : {"parent", "waker", "target", "canceller"})
            renumber(record, task, tids_);
        renumber(record, "resource", resources_);
        renumber(record, "thread", threads_);
        renumber(record, "generation", generations_);
        if (const std::uint64_t on_seq = record.number("on_seq"); on_seq > base)
            record.set_number("on_seq", on_seq - base);
    }
    void retell(pal::Gap& gap) {
        const std::uint64_t base = bases_[gap.worker];
        gap.ts_ns += identity_.epoch_ns;
        gap.from_seq -= base;
        gap.to_seq -= base;
        gap.worker = worker_of(gap.worker);
    }

  private:
    static bool is_position(const pal::Record& record) {
        return record.info->id == EventId::WorkerStarted || record.info->id == EventId::WorkerStopped ||
               record.info->id == EventId::WorkerDumped;
    }

    static void renumber(pal::Record& record, std::string_view field, Renumbering& numbers) {
        if (const std::uint64_t old = record.number(field); old != 0) record.set_number(field, numbers.of(old));
    }

    pal::WorkerId worker_of(const pal::WorkerId& old) {
        const auto [at, is_new] = workers_.try_emplace(old, static_cast<std::uint16_t>(workers_.size()));
        return {identity_.instance, at->second};
    }

    const Identity& identity_;
    std::map<pal::WorkerId, std::uint64_t> bases_;  // the last seq before the run
    std::map<pal::WorkerId, std::uint16_t> workers_;
    Renumbering tids_;
    Renumbering threads_;
    Renumbering resources_;
    Renumbering generations_;
};

}  // namespace

Recording with_identity(const Recording& run, const Identity& identity) {
    Retelling retelling{identity};
    for (const pal::Record& record : run.records())
        retelling.read_base(record);
    for (const pal::Gap& gap : run.gaps())
        retelling.read_base(gap);
    std::vector<pal::Record> records{run.records().begin(), run.records().end()};
    std::vector<pal::Gap> gaps{run.gaps().begin(), run.gaps().end()};
    for (pal::Record& record : records)
        retelling.retell(record);
    for (pal::Gap& gap : gaps)
        retelling.retell(gap);
    return {std::move(records), std::move(gaps)};
}

}  // namespace tiffany::testing
