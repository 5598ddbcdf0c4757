// What is told of the process: who traces it, what was lost, how many workers live.

#include <prometheus/collectable.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/scrape_text.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>

#include "../telemetry/recorded.hpp"
#include "pages.hpp"

namespace tiffany::testing {
namespace {

using ProcessMetrics = Recorded;

Page page() {
    return page_of(scrape_text({make_process_collectable()}));
}

TEST_F(ProcessMetrics, ABuildIsNamed) {
    std::size_t found = 0;
    for (const auto& [series, value] : page()) {
        if (series.rfind("tiffany_build_info{", 0) != 0) continue;
        ++found;
        EXPECT_EQ(value, 1);
        EXPECT_NE(series.find("version=\"" TIFFANY_TEST_VERSION "\""), std::string::npos) << series;
        for (const char* label : {"catalogue=\"", "compiler=\"", "hooks=\"on\""})
            EXPECT_NE(series.find(label), std::string::npos) << series;
    }
    EXPECT_EQ(found, 1u);
}

TEST_F(ProcessMetrics, ATracerIsSeenWhileItIsAttachedThoughNoWorkerLooks) {
    const SchedulerTelemetry telemetry{"s"};
    const std::string lttng = "tiffany_tracing_attached{tracer=\"lttng\"}";
    const std::string usdt = "tiffany_tracing_attached{tracer=\"usdt\"}";
    recording().set_enabled(false);
    EXPECT_EQ(page().at(lttng), 0);
    EXPECT_EQ(page().at(usdt), 0);
    recording().set_enabled(true);
    EXPECT_EQ(page().at(lttng), 1);
    EXPECT_EQ(page().at(usdt), 0);
    recording().set_enabled(false);
    EXPECT_EQ(page().at(lttng), 0);
    // what the kernel does for a tracer that attaches to a probe
    for (volatile unsigned short* semaphore : {&tiffany_usdt_semaphore, &tiffany_usdt_tick_semaphore}) {
        *semaphore = 2;
        EXPECT_EQ(page().at(usdt), 1);
        EXPECT_EQ(page().at(lttng), 0);
        *semaphore = 0;
        EXPECT_EQ(page().at(usdt), 0);
    }
}

TEST_F(ProcessMetrics, LiveWorkersAreThoseThatThreadsHold) {
    SchedulerTelemetry first{"s"};
    SchedulerTelemetry second{"t"};
    const double before = page().at("tiffany_workers");
    {
        const WorkerLease worker = first.worker();
        std::thread foreign{[&] {
            second.here();
            EXPECT_EQ(page().at("tiffany_workers"), before + 2);
        }};
        foreign.join();
        EXPECT_EQ(page().at("tiffany_workers"), before + 1);
        EXPECT_GE(page().at("tiffany_worker_indices"), 2);
    }
    EXPECT_EQ(page().at("tiffany_workers"), before);
}

struct Slow : pal::Sink {
    std::atomic<bool> go{false};
    void record(const pal::Record&) override {
        while (!go)
            std::this_thread::yield();
    }
    void gap(const pal::Gap&) override {}
};

TEST_F(ProcessMetrics, WhatASlowSinkDidNotGetIsCounted) {
    SchedulerTelemetry telemetry{"s"};
    const auto sink = std::make_shared<Slow>();
    install_sink(sink, {.ring_bytes = 4096, .flush_timeout = std::chrono::seconds{60}});
    const double before = page().at("tiffany_sink_lost_total");
    TaskTimes task;
    telemetry.here().spawned(task, {.name = "t"});
    for (int i = 0; i < 1'000; ++i) {
        telemetry.here().running(task);
        telemetry.here().yield(task);
    }
    sink->go = true;
    uninstall_sink();
    EXPECT_GT(page().at("tiffany_sink_lost_total"), before);
    EXPECT_EQ(page().at("tiffany_sink_lost_total"), static_cast<double>(sink_stats().lost));
    EXPECT_EQ(page().at("tiffany_sink_lost_others_total"), static_cast<double>(sink_stats().lost_others));
}

}  // namespace
}  // namespace tiffany::testing
