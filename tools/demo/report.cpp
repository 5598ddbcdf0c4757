#include "report.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <tiffany/pal/error.hpp>

namespace tiffany::demo {
namespace {

[[noreturn]] void refuse(const std::string& path) {
    throw Error{ErrorKind::system, "cannot write report " + path + ": " + std::strerror(errno)};
}

}  // namespace

void write_report(const SchedulerTelemetry& telemetry, const std::string& path) {
    nlohmann::ordered_json report;
    report["transitions"] = telemetry.transitions();
    for (const catalogue::EventInfo& event : catalogue::events())
        if (event.is_transition())
            report["events"][std::string{event.name}] = telemetry.count(static_cast<TaskEvent>(event.id));
    report["pid"] = getpid();

    errno = 0;
    if (path == "-") {
        std::cout << report.dump() << std::endl;
        if (!std::cout) refuse("-");
        return;
    }
    const std::string whole_later = path + ".part";
    {
        std::ofstream file{whole_later, std::ios::trunc};
        file << report.dump() << '\n';
        file.close();
        if (!file) refuse(path);
    }
    if (std::rename(whole_later.c_str(), path.c_str()) != 0) refuse(path);
}

}  // namespace tiffany::demo
