#include "report.hpp"

#include <unistd.h>

#include <string>
#include <tiffany/pal/output.hpp>

namespace tiffany::demo {

void write_report(const SchedulerTelemetry& telemetry, const std::string& path) {
    // by hand: names of events and numbers need no escape, and a JSON library takes longer to compile than the demo
    std::string events;
    for (const catalogue::EventInfo& event : catalogue::events()) {
        if (!event.is_transition()) continue;
        events += (events.empty() ? "\"" : ",\"") + std::string{event.name} +
                  "\":" + std::to_string(telemetry.count(static_cast<TaskEvent>(event.id)));
    }
    pal::OutputFile file{path};
    file.write("{\"transitions\":" + std::to_string(telemetry.transitions()) + ",\"events\":{" + events +
               "},\"pid\":" + std::to_string(getpid()) + "}\n");
    file.commit();
}

}  // namespace tiffany::demo
