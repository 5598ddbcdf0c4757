// The page docs/sink.md as a program: its own events, as values, while it runs.

// [docs/sink.md]
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <tiffany/scheduler/scheduler.hpp>
#include <tiffany/telemetry/sink.hpp>

using namespace tiffany;

class Failures : public pal::Sink {
  public:
    void record(const pal::Record& record) override {
        ++counts[record.info->name];
        if (record.info->name == "Failed") std::cout << "task " << record.tid << ": " << record.text("error") << '\n';
    }
    void gap(const pal::Gap& gap) override { lost += gap.lost; }

    std::map<std::string_view, int> counts;
    std::uint64_t lost = 0;
};

Task<> fetch(int page) {
    co_await sleep_for(std::chrono::milliseconds{page});
    if (page == 2) throw std::runtime_error{"page 2 is torn"};
}

int main() {
    const auto failures = std::make_shared<Failures>();
    install_sink(failures);
    {
        Scheduler scheduler{{.name = "library"}};
        for (int page = 1; page <= 3; ++page)
            scheduler.spawn({.name = "fetch"}, fetch(page));
        scheduler.run();
    }
    uninstall_sink();  // from here on the sink is this thread's
    std::cout << failures->counts["Done"] << " done, " << failures->counts["Failed"] << " failed, " << failures->lost
              << " lost\n";
}
