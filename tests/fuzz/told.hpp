#pragma once
/// A record as text, to be compared with another: all that it holds.

#include <cstdint>
#include <string>
#include <tiffany/pal/record.hpp>

namespace tiffany::fuzz {

inline std::string told(const pal::Record& record) {
    std::string text = record.info != nullptr ? std::string{record.info->tracepoint} : "?" + record.unknown;
    text += ' ' + record.host;
    for (const std::string& own : record.texts)
        text += ' ' + own;
    for (const std::uint64_t number : {record.ts_ns, std::uint64_t{record.pid}, record.worker.instance,
                                       std::uint64_t{record.worker.index}, record.seq, record.tid, record.step})
        text += ' ' + std::to_string(number);
    for (const std::uint64_t number : record.numbers)
        text += ' ' + std::to_string(number);
    return text;
}

}  // namespace tiffany::fuzz
