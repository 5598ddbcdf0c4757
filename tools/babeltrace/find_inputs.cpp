#include "find_inputs.hpp"

#include <filesystem>
#include <system_error>

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

std::string trace_name(const std::string& path) {
    std::error_code failed;
    const fs::path whole = fs::weakly_canonical(path, failed);
    const std::string name = failed ? std::string{} : whole.filename().string();
    return name.empty() ? path : name;
}

void find(std::size_t input, const std::string& path, FoundInputs& all) {
    std::error_code failed;
    if (path == "-" || !fs::is_directory(path, failed)) {
        all.found.push_back({input, path, path, false});
        return;
    }
    try {
        for (const std::string& directory : find_traces(path))
            all.found.push_back({input, directory, trace_name(path), true});
    } catch (const Error& error) {
        all.bad.push_back(error);
    }
}

void lend_metadata(FoundInputs& all, std::chrono::seconds patience) {
    std::vector<std::string> traces;
    for (const InputPart& found : all.found)
        if (found.is_trace) traces.push_back(found.name);
    all.lent = std::make_unique<LentMetadata>(traces, patience);
    for (InputPart& found : all.found)
        if (found.is_trace) found.stand_in = all.lent->of(found.name);
}

}  // namespace

FoundInputs find_inputs(const std::vector<std::string>& inputs, std::chrono::seconds patience) {
    FoundInputs all;
    all.inputs = inputs;
    for (std::size_t input = 0; input < inputs.size(); ++input)
        find(input, inputs[input], all);
    lend_metadata(all, patience);
    return all;
}

}  // namespace tiffany::ctf
