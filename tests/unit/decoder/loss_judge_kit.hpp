#pragma once
// Loss accounting on sequences made by hand: what its tests have in common. Every expected number is counted by hand in
// the test's own text.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tiffany/pal/loss.hpp>
#include <vector>

namespace tiffany::pal {

inline constexpr std::uint64_t kInstance = 0xabc;
inline constexpr std::uint64_t kMs = 1'000'000;

class Kept : public EntrySink {
  public:
    void begin(const Begin&) override {}
    void record(const Record& record) override {
        order += record.is_transition() ? 't' : 'o';
        seqs.push_back(record.seq);
        if (record.is_transition()) transitions.push_back(record.seq);
    }
    void gap(const Gap& gap) override {
        order += 'g';
        gaps.push_back(gap);
    }
    void end(const End& end) override { ends.push_back(end); }

    std::string order;  // t transition, o other record, g gap
    std::vector<std::uint64_t> seqs;
    std::vector<std::uint64_t> transitions;  // of these
    std::vector<Gap> gaps;
    std::vector<End> ends;
};

inline Record transition(std::uint64_t seq, std::uint64_t ts_ns, std::uint16_t index = 0) {
    Record record;
    record.info = &catalogue::info(EventId::TaskYield);
    record.ts_ns = ts_ns;
    record.worker = {kInstance, index};
    record.seq = seq;
    return record;
}

inline Record position(EventId id, std::uint64_t seq, std::uint64_t ts_ns, std::uint64_t generation = 0,
                       std::uint16_t index = 0) {
    Record record;
    record.info = &catalogue::info(id);
    record.ts_ns = ts_ns;
    record.worker = {kInstance, index};
    record.seq = seq;
    record.set_number("generation", generation);
    return record;
}

class LossJudgeTest : public testing::Test {
  protected:
    void give(const Record& record) { judge.record(source, record); }
    void give(std::uint64_t from, std::uint64_t to, std::uint64_t ts_ns) {
        for (std::uint64_t seq = from; seq <= to; ++seq)
            give(transition(seq, ts_ns));
    }
    void discarded(std::uint64_t count, std::uint64_t from_ns, std::uint64_t to_ns, bool only_transitions = true) {
        judge.discarded(source, {from_ns, to_ns, count, only_transitions, true});
    }

    Kept kept;
    LossJudge judge{kept};
    std::size_t source = judge.add_source();
};

}  // namespace tiffany::pal
