// fire_all ROUNDS: fires every event of the catalogue ROUNDS times, with a value of its own in every field, says how
// many it fired, and stays until its standard input ends. catalogue_kit.py computes the same values from the
// catalogue's JSON.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>
#include <vector>

#include "layout.hpp"
#include "telemetry/lttng_module.hpp"

namespace {

using namespace tiffany;

// Every byte of a number is used: a field that is cut or read at the wrong place does not pass.
std::uint64_t number(const catalogue::EventInfo& event, const catalogue::FieldInfo& field, std::size_t index,
                     std::uint64_t round) {
    const auto id = static_cast<std::uint64_t>(event.id);
    if (field.enumeration != nullptr) {
        const auto values = field.enumeration->values;
        return values[(round + index) % values.size()].number;
    }
    const std::uint64_t wide =
        0xf1e2d3c4b5a69788u ^ (id << 56 | index << 48 | round << 32 | id << 16 | index << 8 | round);
    return field.max_bytes == 8 ? wide : wide & ((std::uint64_t{1} << (8 * field.max_bytes)) - 1);
}

// The longest string that fits, then none at all, then ordinary ones.
std::string text(const catalogue::EventInfo& event, const catalogue::FieldInfo& field, std::uint64_t round) {
    if (round == 1) return {};
    std::string result =
        std::string{event.name} + '.' + std::string{field.name} + ' ' + std::to_string(round) + " \u00e4";
    result.resize(std::min(result.size(), field.max_bytes));
    if (round == 0) result.append(field.max_bytes - result.size(), '=').back() = '!';
    return result;
}

void fire(const catalogue::EventInfo& event, std::uint64_t round) {
    const auto offset = catalogue::offsets(event);
    std::vector<std::uint64_t> words(offset.back() / sizeof(std::uint64_t) + 1);  // aligned as the struct is
    char* const bytes = reinterpret_cast<char*>(words.data());
    for (std::size_t i = 0; i < event.fields.size(); ++i) {
        const catalogue::FieldInfo& field = event.fields[i];
        if (field.is_string()) {
            const std::string value = text(event, field, round);
            std::memcpy(bytes + offset[i], value.c_str(), value.size() + 1);
        } else {
            // little-endian, as every machine that the probes are built for
            const std::uint64_t value = number(event, field, i, round);
            std::memcpy(bytes + offset[i], &value, catalogue::size_of(field));
        }
    }
    // past all workers, to whoever listens: a hook knows better what listens, and fires only its own
    static const detail::LttngTable* const lttng = detail::load_lttng_module().table;
    const auto id = static_cast<std::size_t>(event.id);
    detail::kUsdtProbes[id](bytes);
    if (lttng != nullptr) lttng->fire[id](bytes);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: fire_all ROUNDS\n";
        return 2;
    }
    const std::uint64_t rounds = std::strtoull(argv[1], nullptr, 10);
    for (std::uint64_t round = 0; round < rounds; ++round)
        for (const catalogue::EventInfo& event : catalogue::events())
            fire(event, round);
    std::cout << rounds * kEvents << std::endl;
    std::string line;
    while (std::getline(std::cin, line)) {
    }
}
