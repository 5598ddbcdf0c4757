#include "report.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <tiffany/pal/output.hpp>

namespace tiffany::demo {

void write_report(const SchedulerTelemetry& telemetry, const std::string& path) {
    nlohmann::ordered_json report;
    report["transitions"] = telemetry.transitions();
    for (const catalogue::EventInfo& event : catalogue::events())
        if (event.is_transition())
            report["events"][std::string{event.name}] = telemetry.count(static_cast<TaskEvent>(event.id));
    report["pid"] = getpid();

    pal::OutputFile file{path};
    file.write(report.dump() + "\n");
    file.commit();
}

}  // namespace tiffany::demo
