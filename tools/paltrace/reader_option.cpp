#include "reader_option.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <string>

namespace tiffany::paltrace {

void add_reader_option(CLI::App& command, ctf::Reader& reader) {
    static const std::map<std::string, ctf::Reader> kReaders{
        {"auto", ctf::Reader::automatic}, {"native", ctf::Reader::native}, {"babeltrace2", ctf::Reader::babeltrace2}};
    command
        .add_option_function<std::string>(
            "--reader", [&reader](const std::string& name) { reader = kReaders.at(name); },
            "of traces: native (fast, of plain ones alone), babeltrace2, or auto: the one that can")
        ->check(CLI::IsMember({"auto", "native", "babeltrace2"}))
        ->default_str("auto");
}

}  // namespace tiffany::paltrace
