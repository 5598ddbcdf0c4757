// A stream tells each transition once, as a record or in a Gap, whatever its pipe takes and when.

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <telemetry/pal_log.hpp>
#include <telemetry/pal_stream.hpp>

namespace tiffany::detail {
namespace {

using nlohmann::json;

constexpr std::uint64_t kInstance = 0x5f3a9c1e07b2;

/// Takes so many bytes, and no more until more is allowed.
class Narrow : public PalPipe {
  public:
    std::size_t write(std::string_view bytes) noexcept override {
        const std::size_t taken = std::min(bytes.size(), allowed);
        allowed -= taken;
        text.append(bytes.substr(0, taken));
        return taken;
    }
    std::size_t allowed = ~std::size_t{0};
    std::string text;
};

/// The target of a log that has one stream.
class OneStream : public PalTarget {
  public:
    OneStream(Narrow& pipe, PalLines& lines, std::size_t kept) : pipe_{pipe}, stream_{names_, lines, kept, nullptr} {}
    bool wants() const noexcept override { return true; }
    bool is_live() const noexcept override { return true; }
    std::size_t batch_bytes() const noexcept override { return 1024; }
    void meet(std::uint16_t index, std::uint64_t position) noexcept override { stream_.meet(index, position); }
    void take(const PalBatch& batch, const PalWorkers& workers) noexcept override {
        stream_.take(pipe_, batch, workers);
    }
    void tend(const PalWorkers& workers, std::uint64_t ts_ns) noexcept override {
        if (!begun_ || begin_anew) stream_.begin(pipe_, workers, ts_ns);
        begun_ = true;
        begin_anew = false;
        if (stream_.retry(pipe_)) stream_.tell_left_out(pipe_, workers, ts_ns);
    }
    void end(const PalWorkers& workers, std::uint64_t ts_ns) noexcept override {
        ended = stream_.end(pipe_, workers, ts_ns, end_of);
    }
    void lock() noexcept override {}
    void unlock() noexcept override {}
    void become_child() noexcept override {}
    bool begin_anew = false;
    bool ended = false;
    EndOf end_of = EndOf::process;
    const PalStream& stream() const { return stream_; }

  private:
    PalStreamNames names_{"test", "unit", "monotonic"};
    Narrow& pipe_;
    PalStream stream_;
    bool begun_ = false;
};

class PalStreamTest : public ::testing::Test {
  protected:
    void make(std::size_t kept) {
        auto target = std::make_unique<OneStream>(pipe, *lines, kept);
        stream = target.get();
        log = std::make_unique<PalLog>(std::move(target), lines);
    }
    void started(std::uint16_t worker, std::uint64_t seq) {
        tiffany_worker_started event{};
        event.worker = kInstance << 16 | worker;
        std::strcpy(event.scheduler, "pool");
        event.seq = seq;
        log->worker({kInstance, worker}, seq);
        give(EventId::WorkerStarted, event);
    }
    void stopped(std::uint16_t worker, std::uint64_t seq) {
        tiffany_worker_stopped event{};
        event.worker = kInstance << 16 | worker;
        event.seq = seq;
        give(EventId::WorkerStopped, event);
    }
    void transition(std::uint16_t worker, std::uint64_t seq) {
        tiffany_task_done event{};
        event.worker = kInstance << 16 | worker;
        event.seq = seq;
        event.tid = event.step = 1;
        give(EventId::TaskDone, event);
    }
    template <typename Event>
    void give(EventId id, const Event& event) {
        alignas(16) std::array<std::byte, 1024> bytes{};
        std::memcpy(bytes.data(), &event, sizeof event);
        log->event({id, ts_ns += 10, bytes.data()});
    }
    std::vector<json> entries() const {
        std::vector<json> found;
        std::istringstream in{pipe.text};
        for (std::string line; std::getline(in, line);)
            found.push_back(json::parse(line));
        return found;
    }
    /// Of each worker the seqs from `first` on, each once, as a record or in a gap; fails if one is missing or there
    /// twice.
    struct Told {
        std::uint64_t next = 0, records = 0, lost = 0;
    };
    static std::map<int, Told> told(const std::vector<json>& entries, std::map<int, Told> workers = {}) {
        for (const json& entry : entries) {
            const std::string event = entry["event"];
            if (event != "Gap" && event != "Done") continue;
            Told& worker = workers[entry["worker"]];
            const std::uint64_t from = entry[event == "Gap" ? "from_seq" : "seq"];
            const std::uint64_t to = entry[event == "Gap" ? "to_seq" : "seq"];
            if (worker.next == 0) worker.next = 1;
            EXPECT_EQ(from, worker.next) << entry.dump();
            worker.next = to + 1;
            if (event == "Gap") {
                EXPECT_EQ(entry["lost"], to - from + 1);
                worker.lost += to - from + 1;
            } else {
                ++worker.records;
            }
        }
        return workers;
    }

    std::shared_ptr<PalLines> lines = std::make_shared<PalLines>("web1", 812);
    Narrow pipe;
    OneStream* stream = nullptr;
    std::unique_ptr<PalLog> log;
    std::uint64_t ts_ns = 1'700'000'000'000'000'000;
};

TEST_F(PalStreamTest, WithRoomThereIsNoGapAndEndCountsTheRecords) {
    make(1 << 16);
    started(0, 0);
    for (std::uint64_t seq = 1; seq <= 100; ++seq)
        transition(0, seq);
    log->end();
    const std::vector<json> all = entries();
    EXPECT_EQ(all.front()["event"], "Begin");
    EXPECT_FALSE(all.front().contains("first")) << "it begins with the process";
    EXPECT_EQ(all.back()["event"], "End");
    EXPECT_EQ(all.back()["records"], 101u);
    EXPECT_EQ(all.back()["lost"], 0u);
    EXPECT_EQ(all.size(), 103u);
}

TEST_F(PalStreamTest, WhatAPipeDoesNotTakeBecomesAGapOnceItTakesAgain) {
    make(8192);
    started(0, 0);
    started(3, 7);
    transition(0, 1);
    log->looked(true, false);
    pipe.allowed = 10;  // cuts a line
    for (std::uint64_t seq = 2; seq <= 1000; ++seq) {
        transition(0, seq);
        if (seq % 2 == 0) transition(3, 7 + seq / 2);
        if (seq % 10 == 0) log->looked(true, false);
    }
    const std::uint64_t left_out = stream->stream().left_out();
    EXPECT_GT(left_out, 1000u);
    EXPECT_FALSE(stream->ended);
    pipe.allowed = ~std::size_t{0};
    log->looked(false, false);
    transition(0, 1001);
    log->looked(true, false);
    log->end();
    const std::vector<json> all = entries();  // every line is whole
    const auto workers = told(all, {{3, {8, 0, 0}}});
    EXPECT_EQ(workers.at(0).next, 1002u);
    EXPECT_EQ(workers.at(3).next, 508u);
    EXPECT_EQ(workers.at(0).lost + workers.at(3).lost, left_out);
    EXPECT_EQ(all.back()["lost"], left_out);
    EXPECT_EQ(all.back()["records"],
              static_cast<std::uint64_t>(std::count_if(all.begin(), all.end(), [](const json& entry) {
                  return entry["event"] != "Begin" && entry["event"] != "Gap" && entry["event"] != "End";
              })));
}

TEST_F(PalStreamTest, WhatWasLeftOutIsToldAsSoonAsThePipeIsEmptyThoughNothingFollows) {
    make(8192);
    started(0, 0);
    log->looked(true, false);
    pipe.allowed = 0;
    for (std::uint64_t seq = 1; seq <= 1000; ++seq)
        transition(0, seq);
    log->looked(true, false);
    const std::uint64_t left_out = stream->stream().left_out();
    EXPECT_GT(left_out, 500u);
    pipe.allowed = ~std::size_t{0};
    log->looked(false, false);
    const Told now = told(entries()).at(0);
    EXPECT_EQ(now.next, 1001u);
    EXPECT_EQ(now.lost, left_out);
    log->looked(false, false);
    EXPECT_EQ(told(entries()).at(0).lost, left_out) << "once";
}

TEST_F(PalStreamTest, EndTellsHowManyEventsWithoutSeqAreMissing) {
    make(8192);
    started(0, 0);
    log->lost_others(3);  // in a ring
    transition(0, 1);
    log->looked(true, false);
    pipe.allowed = 0;
    for (std::uint16_t index = 1; index <= 200; ++index) {  // their starts are no transitions
        started(index, 0);
        log->looked(true, false);
    }
    const std::uint64_t left_out = stream->stream().others_left_out();
    EXPECT_GT(left_out, 0u);
    pipe.allowed = ~std::size_t{0};
    log->looked(false, false);
    transition(0, 2);
    log->looked(true, false);
    log->end();
    const std::vector<json> all = entries();
    EXPECT_EQ(all.back()["lost"], 0u);
    EXPECT_EQ(all.back()["lost_others"], 3 + left_out);
}

TEST_F(PalStreamTest, TheTailThatDidNotFitIsAGapBeforeEnd) {
    make(4096);
    started(0, 0);
    log->looked(true, false);
    pipe.allowed = 0;
    for (std::uint64_t seq = 1; seq <= 500; ++seq)
        transition(0, seq);
    log->looked(true, false);
    pipe.allowed = ~std::size_t{0};
    log->end();
    EXPECT_TRUE(stream->ended);
    const std::vector<json> all = entries();
    EXPECT_EQ(told(all).at(0).next, 501u);
    EXPECT_EQ(all.back()["lost"], told(all).at(0).lost);
}

TEST_F(PalStreamTest, AStreamThatBeginsLateSaysWhereEachWorkerStandsAndWhoItIs) {
    make(1 << 16);
    started(0, 0);
    started(5, 0);
    for (std::uint64_t seq = 1; seq <= 20; ++seq)
        transition(5, seq);
    log->looked(true, false);
    pipe.text.clear();
    stream->begin_anew = true;
    log->looked(true, false);
    transition(5, 21);
    log->end();
    const std::vector<json> all = entries();
    EXPECT_EQ(all[0]["first"], json::parse(R"([{"instance":"5f3a9c1e07b2","worker":0,"seq":1},
                                               {"instance":"5f3a9c1e07b2","worker":5,"seq":21}])"));
    EXPECT_EQ(all[2]["kind"], "started");
    EXPECT_EQ(all[2]["scheduler"], "pool");
    EXPECT_EQ(all[2]["worker"], 5);
    EXPECT_EQ(all[2]["seq"], 20);
    EXPECT_EQ(all[3]["seq"], 21);
    EXPECT_EQ(all.back()["records"], 3u) << "of this stream alone";
}

TEST_F(PalStreamTest, TheProcessesEndTellsOfWorkersThatHadNotStopped) {
    make(1 << 16);
    for (std::uint16_t index = 0; index < 4; ++index)
        started(index, 0);
    transition(1, 1);
    stopped(1, 1);
    transition(2, 1);
    stopped(2, 1);
    transition(2, 2);  // its thread went on after its scheduler was closed
    transition(3, 1);
    log->end();
    EXPECT_EQ(entries().back()["uncounted"],
              json::parse(R"(["3 workers were not seen to stop before the log ended (exit() while they worked?): )"
                          R"(what they did after that is missing, uncounted"])"));
}

TEST_F(PalStreamTest, AnEndTellsOfNoWorkerWhereAllHadStoppedOrAnotherFileGoesOn) {
    make(1 << 16);
    started(0, 0);
    transition(0, 1);
    stopped(0, 1);
    started(0, 1);  // its index, by another thread
    log->gap({ts_ns, {kInstance, 0}, 2, 9, 8, true});
    stopped(0, 9);
    log->end();
    EXPECT_FALSE(entries().back().contains("uncounted"));

    pipe.text.clear();
    make(1 << 16);
    stream->end_of = EndOf::file;
    started(0, 0);
    transition(0, 1);
    log->end();
    EXPECT_FALSE(entries().back().contains("uncounted"));
}

TEST_F(PalStreamTest, AGapOfARingIsTold) {
    make(1 << 16);
    started(0, 0);
    transition(0, 1);
    log->gap({ts_ns, {kInstance, 0}, 2, 9, 8, true});
    transition(0, 10);
    log->end();
    const auto workers = told(entries());
    EXPECT_EQ(workers.at(0).lost, 8u);
    EXPECT_EQ(entries().back()["lost"], 8u);
}

}  // namespace
}  // namespace tiffany::detail
