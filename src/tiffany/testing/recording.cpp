#include <tiffany/testing/recording.hpp>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <tiffany/pal/output.hpp>
#include <tiffany/pal/writer.hpp>
#include <utility>

namespace tiffany::testing {
namespace {

bool is_before(const pal::Record& a, const pal::Record& b) {
    return a.ts_ns != b.ts_ns ? a.ts_ns < b.ts_ns : a.worker < b.worker;
}

/// A Stalled is told of a worker, by the thread that watches: it has no place among what that worker did.
bool is_told_by_its_worker(const pal::Record& record) {
    return record.info->id != EventId::Stalled;
}

/// A hook may be given a stamp from before the worker's last one. No record is earlier than the one before it of the
/// same worker, so that sorting by time keeps each worker's order, which is that of its seq.
void keep_order_of_each_worker(std::vector<pal::Record>& records) {
    struct Last {
        std::uint64_t ts_ns = 0;
        std::uint64_t seq = 0;
    };
    std::map<pal::WorkerId, Last> last_of;
    for (pal::Record& record : records) {
        if (!is_told_by_its_worker(record)) continue;
        Last& last = last_of[record.worker];
        // of one that had the same index before: its ring was emptied later, and its own times tell where it belongs
        if (record.seq != 0 && record.seq < last.seq) last = {};
        record.ts_ns = last.ts_ns = std::max(last.ts_ns, record.ts_ns);
        if (record.seq != 0) last.seq = record.seq;
    }
}

class Bytes : public pal::ByteSink {
  public:
    void write(std::string_view bytes) override { all += bytes; }
    std::string all;
};

/// By tid. One that has notes and made no transition has no steps.
std::vector<TaskLife> lives_of(const std::vector<pal::Record>& records) {
    std::map<std::uint64_t, TaskLife> lives;
    for (const pal::Record& record : records) {
        const bool is_note = record.info->id == EventId::Note;
        if (!record.is_transition() && !is_note) continue;
        TaskLife& life = lives[record.tid];
        life.tid = record.tid;
        if (is_note) {
            life.notes.push_back({std::string{record.text("key")}, std::string{record.text("value")}});
            continue;
        }
        if (record.info->id == EventId::TaskSpawned) life.name = record.text("name");
        life.steps.push_back(record);
    }
    std::vector<TaskLife> all;
    all.reserve(lives.size());
    for (auto& [tid, life] : lives) {
        std::stable_sort(life.steps.begin(), life.steps.end(),
                         [](const pal::Record& a, const pal::Record& b) { return a.step < b.step; });
        all.push_back(std::move(life));
    }
    return all;
}

}  // namespace

std::string_view TaskLife::note(std::string_view key) const {
    const auto found =
        std::find_if(notes.rbegin(), notes.rend(), [&](const TaskNote& note) { return note.key == key; });
    return found == notes.rend() ? std::string_view{} : found->value;
}

Recording::Recording(std::vector<pal::Record> records, std::vector<pal::Gap> gaps)
    : records_{std::move(records)}, gaps_{std::move(gaps)} {
    keep_order_of_each_worker(records_);
    // stable: what one worker did in one instant stays in its order
    std::stable_sort(records_.begin(), records_.end(), is_before);
}

std::uint64_t Recording::lost() const {
    std::uint64_t lost = 0;
    for (const pal::Gap& gap : gaps_)
        lost += gap.lost;
    return lost;
}

std::vector<TaskLife> Recording::tasks() const {
    std::vector<TaskLife> all = lives_of(records_);
    std::erase_if(all, [](const TaskLife& life) { return life.steps.empty(); });
    return all;
}

TaskLife Recording::task(std::uint64_t tid) const {
    for (TaskLife& life : lives_of(records_))
        if (life.tid == tid) return std::move(life);
    return {tid, {}, {}, {}};
}

TaskLife Recording::task(std::string_view name) const {
    std::vector<TaskLife> found;
    std::string others;
    for (TaskLife& life : tasks()) {
        if (life.name == name) {
            found.push_back(std::move(life));
        } else {
            others += others.empty() ? "" : ", ";
            if (life.steps.front().info->id == EventId::TaskSpawned)
                others += "'" + life.name + "'";
            else
                others += "one whose Spawned is not there (tid " + std::to_string(life.tid) + ")";
        }
    }
    if (found.size() == 1) return std::move(found.front());
    std::string tids;
    for (const TaskLife& life : found)
        tids += (tids.empty() ? " (tid " : ", ") + std::to_string(life.tid);
    throw std::out_of_range{"expected one task '" + std::string{name} + "', found " + std::to_string(found.size()) +
                            tids + (tids.empty() ? "" : ")") + "; the others: " + (others.empty() ? "none" : others)};
}

std::vector<pal::WorkerId> Recording::workers() const {
    std::vector<pal::WorkerId> found;
    for (const pal::Record& record : records_)
        if (is_told_by_its_worker(record) && std::find(found.begin(), found.end(), record.worker) == found.end())
            found.push_back(record.worker);
    return found;
}

std::vector<pal::Record> Recording::of_worker(const pal::WorkerId& worker) const {
    std::vector<pal::Record> found;
    for (const pal::Record& record : records_)
        if (record.worker == worker && is_told_by_its_worker(record)) found.push_back(record);
    return found;
}

pal::LifecycleReport Recording::lifecycle() const {
    pal::LifecycleChecker checker;
    write(checker);
    return checker.finish();
}

void Recording::write(pal::EntrySink& log) const {
    pal::Begin begin;
    begin.ts_ns = records_.empty() ? 0 : records_.front().ts_ns;
    begin.tool = "tiffany::testing";
    begin.catalogue = catalogue::kVersion;
    log.begin(begin);
    std::vector<bool> told(gaps_.size(), false);
    const auto tell_gaps = [&](const pal::Record* next) {  // those of that worker that come before it; null: all
        for (std::size_t i = 0; i < gaps_.size(); ++i) {
            if (told[i]) continue;
            if (next != nullptr && (gaps_[i].worker != next->worker || gaps_[i].to_seq >= next->seq)) continue;
            told[i] = true;
            log.gap(gaps_[i]);
        }
    };
    for (const pal::Record& record : records_) {
        if (!gaps_.empty() && record.seq != 0) tell_gaps(&record);
        log.record(record);
    }
    tell_gaps(nullptr);
    pal::End end;
    end.ts_ns = records_.empty() ? 0 : records_.back().ts_ns;
    end.records = records_.size();
    end.lost = lost();
    log.end(end);
}

std::string Recording::pal_log() const {
    Bytes bytes;
    pal::LogWriter writer{bytes};
    write(writer);
    writer.flush();
    return std::move(bytes.all);
}

}  // namespace tiffany::testing
