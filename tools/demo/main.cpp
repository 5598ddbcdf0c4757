// tiffany-demo: a real workload that meets every transition of a task, for tracers to look at.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstring>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/output.hpp>
#include <tiffany/scheduler/scheduler.hpp>
#include <tiffany/telemetry/configure.hpp>

#include "crowd.hpp"
#include "report.hpp"
#include "signals.hpp"
#include "workload.hpp"

namespace {

using namespace std::chrono_literals;
using namespace tiffany;

struct Options {
    demo::WorkloadOptions work;
    demo::CrowdOptions crowd;
    std::string report;
    std::optional<std::uint16_t> metrics_port;
    bool wait = false;
    bool stay = false;
};

/// So that a tracer that wants a pid can be attached before the first event.
void wait_for_a_line() {
    std::cerr << "tiffany-demo: pid " << getpid() << " waits for a line on stdin" << std::endl;
    std::string line;
    std::getline(std::cin, line);
}

/// Before any thread is made, so that all inherit it: these signals are read by a task.
void block_signals() {
    const sigset_t set = demo::end_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void wait_for_a_signal() {
    const sigset_t set = demo::end_signals();
    int number = 0;
    sigwait(&set, &number);
}

/// The program's metrics, over HTTP, for as long as it lives.
class Metrics {
  public:
    Metrics(Scheduler& scheduler, const Options& options)
        : collectable_{make_collectable(scheduler.telemetry())}, process_{make_process_collectable()} {
        if (options.metrics_port)
            server_ = std::make_unique<MetricsServer>(ServerOptions{.port = *options.metrics_port});
        else
            server_ = MetricsServer::from_environment();
        if (server_ == nullptr) return;
        server_->add(collectable_);
        server_->add(process_);
        std::cerr << "tiffany-demo: metrics on " << server_->url() << std::endl;
    }

  private:
    std::shared_ptr<prometheus::Collectable> collectable_;
    std::shared_ptr<prometheus::Collectable> process_;
    std::unique_ptr<MetricsServer> server_;
};

/// Of what was asked for by the environment.
void tell_what_there_is_not() {
    if (const StallProblem problem = stall_status().problem;
        problem != StallProblem::none && problem != StallProblem::stripped)
        std::cerr << "tiffany-demo: nobody watches for runs that do not end: " << label(problem) << '\n';
    if (const PalStatus log = pal_status(); log.problem != PalProblem::none && log.problem != PalProblem::stripped)
        std::cerr << "tiffany-demo: no log is written: " << label(log.problem)
                  << (log.error != 0 ? std::string{" ("} + std::strerror(log.error) + ")" : std::string{}) << '\n';
}

int run(const Options& options) {
    if (options.wait) wait_for_a_line();  // with the signals as they were: they end it
    block_signals();
    Scheduler scheduler{{.name = "demo", .quantum = 1ms}};
    const Metrics metrics{scheduler, options};
    tell_what_there_is_not();
    if (options.crowd.tasks != 0) {
        demo::run_crowd(scheduler, options.crowd);
        if (!options.report.empty()) demo::write_report(scheduler.telemetry(), options.report);
        return 0;
    }
    const demo::Outcome outcome = demo::run_workload(scheduler, options.work);
    const std::uint64_t transitions = scheduler.telemetry().transitions();
    if (!options.report.empty()) demo::write_report(scheduler.telemetry(), options.report);
    if (!outcome.error.empty()) {
        std::cerr << "tiffany-demo: " << outcome.error << '\n';
        return 1;
    }
    if (!outcome.interrupted && transitions < options.work.transitions) {
        std::cerr << "tiffany-demo: expected " << options.work.transitions << " transitions, found " << transitions
                  << " when the time was over\n";
        return 1;
    }
    if (options.report != "-") std::cout << transitions << " transitions" << std::endl;
    if (options.stay && !outcome.interrupted) wait_for_a_signal();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "An instrumented workload that meets every transition of a task: an echo server and its clients,\n"
        "timers, joins, failures, cancellations, throttling. Ends on SIGINT and SIGTERM.",
        "tiffany-demo"};
    app.footer(
        "Exit status: 0 good, 1 something went wrong, 2 wrong usage.\n"
        "Example: paltrace record --convert -- tiffany-demo --tasks 200 --seconds 5 --report counts.json");
    app.failure_message([](const CLI::App* which, const CLI::Error& error) {
        return "tiffany-demo: " + CLI::FailureMessage::simple(which, error);
    });
    Options options;
    bool help_only = false;
    app.add_option("--tasks", options.work.tasks, "long-lived tasks: clients, tickers, delegators (default 100)")
        ->check(CLI::Range(1, 100'000));
    CLI::Option* const seconds =
        app.add_option("--seconds", options.work.seconds, "how long to work (default 2; 0 = no bound)")
            ->check(CLI::Range(0.0, 1e6));
    app.add_option("--transitions", options.work.transitions,
                   "work until so many transitions were fired; without --seconds there is no other bound");
    app.add_option("--report", options.report, "write the program's own count as JSON to FILE, - = stdout")
        ->type_name("FILE");
    app.add_option("--stall", options.work.stall_ms,
                   "a task computes for so many ms without giving way, once: TIFFANY_STALL=1s tells of it")
        ->type_name("MS")
        ->check(CLI::Range(1, 3'600'000));
    CLI::Option* const crowd =
        app.add_option("--crowd", options.crowd.tasks,
                       "instead: N tasks that stand still, in every state that lasts, until SIGINT\n"
                       "or SIGTERM: for a tracer that comes late")
            ->type_name("N")
            ->check(CLI::Range(1, 100'000'000));
    app.add_option("--account", options.crowd.account,
                   "with --crowd: write what the program knows of each of them to FILE, - = stdout")
        ->type_name("FILE")
        ->needs(crowd);
    app.add_flag("--busy", options.crowd.busy, "with --crowd: a task more keeps the scheduler's loop running")
        ->needs(crowd);
    app.add_option("--metrics-port", options.metrics_port,
                   "serve the metrics on this port of 127.0.0.1; 0 = any, told on stderr\n"
                   "(TIFFANY_METRICS=ADDRESS:PORT does the same)");
    app.add_flag("--wait", options.wait,
                 "tell the pid on stderr and begin at a line on stdin, or at its end: time to attach a tracer");
    app.add_flag("--stay", options.stay, "when the work is finished go on serving the metrics until SIGINT or SIGTERM");
    try {
        app.parse(argc, argv);
        if (seconds->empty() && options.work.transitions != 0) options.work.seconds = 0;
        if (options.work.transitions != 0 && tracing_status() == TracingStatus::stripped) {
            std::cerr << "tiffany-demo: built with TIFFANY_TELEMETRY=OFF, it counts no transitions; use --seconds\n";
            return 2;
        }
    } catch (const CLI::ParseError& error) {
        if (app.exit(error) != 0) return 2;
        help_only = true;
    }
    try {
        const int status = help_only ? 0 : run(options);
        pal::flush_standard_output();
        return status;
    } catch (const Error& error) {
        std::cerr << "tiffany-demo: " << error.one_line() << '\n';
    } catch (const std::exception& error) {
        std::cerr << "tiffany-demo: " << error.what() << '\n';
    }
    return 1;
}
