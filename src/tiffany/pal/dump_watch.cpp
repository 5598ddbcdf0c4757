#include <tiffany/pal/dump_watch.hpp>

namespace tiffany::pal {

void DumpWatch::dumped(const Record& record) {
    const std::uint64_t generation = record.number("generation");
    Dump& last = last_[{record.worker.instance, std::string{record.text("scheduler")}}];
    if (generation > last.generation) {
        if (last.ended) count(last);  // else this one took its place
        last = {.generation = generation};
    }
    Worker& worker = workers_[record.worker];
    if (record.number("phase") == static_cast<std::uint64_t>(DumpPhase::begin)) {
        worker = {.generation = generation};
        return;
    }
    if (generation != last.generation) return;  // told late: a later one has begun
    last.ended = true;
    if (worker.generation != generation || worker.tasks < record.number("tasks")) last.lacks = true;
}

void DumpWatch::count(const Dump& dump) {
    ++(dump.ended && !dump.lacks ? report_.whole : report_.incomplete);
}

DumpReport DumpWatch::finish() {
    for (const auto& [scheduler, dump] : last_)
        count(dump);
    return report_;
}

}  // namespace tiffany::pal
