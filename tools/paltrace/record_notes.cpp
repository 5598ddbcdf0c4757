#include "record_notes.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <tiffany/pal/error.hpp>
#include <utility>

#include "daemon_log.hpp"
#include "notice.hpp"
#include "recorded_processes.hpp"
#include "salvage.hpp"
#include "tools/babeltrace/trace_reader.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLogName = "tiffany.pal";  // of `record --convert`

/// `directory/record.json`, if the directory is a recording's.
std::optional<fs::path> record_file_in(const fs::path& directory) {
    std::error_code failed;
    fs::path file = directory / "record.json";
    return fs::is_regular_file(file, failed) ? std::optional{std::move(file)} : std::nullopt;
}

struct Above {
    fs::path file;   // the record.json
    fs::path other;  // of `trace` and `recovered` the one that the directory does not lie in
};

/// The recording that the directory lies in the trace of, or in what was recovered.
std::optional<Above> find_above(fs::path directory) {
    for (; directory.has_relative_path(); directory = directory.parent_path())
        for (const auto& [part, other] : {std::pair{"trace", "recovered"}, std::pair{"recovered", "trace"}})
            if (directory.filename() == part)
                if (auto file = record_file_in(directory.parent_path()))
                    return Above{std::move(*file), directory.parent_path() / other};
    return std::nullopt;
}

/// The recordings that lie in the directory, at any depth, as their traces are read: other people's record.json is
/// beside no trace.
std::vector<fs::path> find_below(const fs::path& directory) {
    std::vector<fs::path> files;
    std::error_code failed;
    constexpr auto kSkip = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator entry{directory, kSkip, failed}, end; !failed && entry != end;
         entry.increment(failed)) {
        std::error_code gone;
        if (entry->path().filename() != "trace" || !entry->is_directory(gone)) continue;
        entry.disable_recursion_pending();  // a trace has many directories, and no recording
        if (auto file = record_file_in(entry->path().parent_path())) files.push_back(std::move(*file));
    }
    std::sort(files.begin(), files.end());
    return files;
}

struct RecordFiles {
    std::vector<fs::path> paths;
    fs::path other_part{};  // the input is a part of what the recording has, and this is the rest
};

RecordFiles find_record_files(const std::string& input) {
    std::error_code failed;
    const fs::path path = fs::canonical(input, failed);
    if (failed) return {};
    if (path.filename() == kLogName && fs::is_regular_file(path, failed)) {
        auto file = record_file_in(path.parent_path());
        return file ? RecordFiles{{std::move(*file)}} : RecordFiles{};
    }
    if (!fs::is_directory(path, failed)) return {};
    if (auto file = record_file_in(path)) return {{*file}};
    if (auto above = find_above(path)) return {{above->file}, above->other};
    return {find_below(path)};
}

/// "process 812 (name), process 813 (name) and 5 more", of those processes of a record.json; empty if there are none.
template <typename Condition>
std::string titles(const nlohmann::json& json, const Condition& holds) {
    std::vector<RecordedProcess> found;
    const auto all = json.find("processes");
    if (all == json.end() || !all->is_array()) return "";
    for (const nlohmann::json& one : *all) {
        if (!one.is_object() || !holds(one)) continue;
        const auto pid = one.find("pid");
        const auto name = one.find("name");
        if (pid == one.end() || !pid->is_number_integer() || name == one.end() || !name->is_string()) continue;
        RecordedProcess& process = found.emplace_back();
        process.pid = pid->get<pid_t>();
        process.name = name->get<std::string>();
    }
    return titles_of(found);
}

/// Of a recording that was not ended in good order, and of which nobody has extracted them yet.
bool holds_unread_buffers(const fs::path& recording) {
    std::error_code failed;
    return fs::is_directory(recording / "shm-kept", failed) && !fs::exists(recording / "recovered", failed);
}

bool says_in(const nlohmann::json& object, const char* key) {
    const auto at = object.find(key);
    return at != object.end() && at->is_boolean() && at->get<bool>();
}

/// What befell a daemon of LTTng, as failure_of() has it.
std::optional<std::string> failure_in(const nlohmann::json& json) {
    for (const auto& [key, hung] : {std::pair{"dead_daemon", false}, std::pair{"hung_daemon", true}})
        if (const auto daemon = json.find(key); daemon != json.end() && daemon->is_string())
            return failure_of(daemon->get<std::string>(), hung);
    return std::nullopt;
}

void add_missed(const nlohmann::json& json, std::vector<std::string>& doubts) {
    const auto add = [&doubts](const nlohmann::json& count, const std::string& cause) {
        if (count.is_number_unsigned() && count != 0) doubts.push_back(missed(count.get<std::size_t>(), cause));
    };
    if (const auto causes = json.find("missed_causes"); causes != json.end() && causes->is_object())
        for (const auto& [cause, count] : causes->items())
            add(count, cause);
    else if (const auto all = json.find("missed_processes"); all != json.end())
        add(*all, "");  // of a version that told no cause
}

/// Of a recording that nobody has read yet, so that it is not known which processes told their end.
std::string doubt_of_unread(const std::optional<std::string>& failure) {
    return "record.json is not complete (paltrace was interrupted while it read the trace back, or does so still): of "
           "the last second of a process that ended while its workers worked" +
           (failure ? ", and of what was done after " + *failure + "," : std::string{}) +
           " some may be missing, uncounted";
}

/// What is missing of the ends of processes that were recorded.
std::optional<std::string> doubt_of_ends(const nlohmann::json& json) {
    const std::string cut = titles(json, [](const auto& process) { return says_in(process, "tail_unknown"); });
    const auto is_null = [&json](const char* key) { return json.contains(key) && json[key].is_null(); };
    if (is_null("ended"))
        return "record.json has no end (paltrace was killed, goes on, or had no room for it): what was done since then "
               "is missing, and of the second before some may be, uncounted";
    const std::optional<std::string> failure = failure_in(json);
    if (failure) {
        if (says_in(json, "hangs_on")) return unwritten_is_missing(*failure);
        if (!cut.empty()) return rest_is_missing(cut, *failure);
    }
    const auto read = json.find("read_back");
    if (read != json.end() && *read == false && !says_in(json, "disk_was_full")) return doubt_of_unread(failure);
    if (says_in(json, "disk_was_full")) {
        if (!cut.empty()) return full_disk_took_the_rest(cut);
        if (is_null("records"))
            return "the disk was full, and what was recorded could not be read back then: what was done after that is "
                   "missing, and not counted";
    }
    if (cut.empty()) return std::nullopt;
    return untold_end(cut) + ": of the last second and after exit() some may be missing, uncounted";
}

bool is_command_end_unknown(const nlohmann::json& json) {
    const auto command = json.find("command"), status = json.find("command_status"), ended = json.find("ended");
    return command != json.end() && !command->empty() && status != json.end() && status->is_null() &&
           ended != json.end() && !ended->is_null();
}

std::vector<std::string> doubts_of(const nlohmann::json& json) {
    std::vector<std::string> doubts;
    if (std::optional<std::string> doubt = doubt_of_ends(json)) doubts.push_back(std::move(*doubt));
    const std::optional<std::string> failure = failure_in(json);
    if (const auto by = json.find("command_signal"); by != json.end() && by->is_number_integer() && *by == SIGKILL)
        doubts.emplace_back("COMMAND was killed: of its last second some may be missing, uncounted");
    if (is_command_end_unknown(json))
        doubts.emplace_back("nobody knows how COMMAND ended: of its last second some may be missing, uncounted");
    add_missed(json, doubts);
    if (says_in(json, "shm_was_full"))
        doubts.emplace_back("/dev/shm was full while COMMAND ran: a process that started then is missing, uncounted");
    if (failure) doubts.push_back(later_ones_are_missing(*failure));
    if (const auto found = json.find("consumer_found"); found != json.end() && *found == false)
        doubts.push_back(unseen_end_of_consumer());
    return doubts;
}

/// Adds what one recording knows, each sentence with `label` before it.
void add_notes_of(const fs::path& path, const std::string& label, RecordNotes& notes) {
    std::ifstream file{path};
    if (!file)
        throw Error{ErrorKind::system, "cannot read " + path.string() + ": " + std::string{std::strerror(errno)}};
    const nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
    if (!json.is_object()) throw Error{ErrorKind::content, "cannot read " + path.string() + ": it is no JSON object"};
    const auto records = json.find("records");  // null: it was not read back
    if (records == json.end() || !records->is_number_unsigned()) notes.records = std::nullopt;
    if (notes.records) *notes.records += records->get<std::uint64_t>();
    for (const std::string& doubt : doubts_of(json))
        notes.doubts.push_back(label + doubt);
    if (holds_unread_buffers(path.parent_path()))
        notes.left.push_back(label + "shm-kept has buffers that may hold more; when the recording is over: " +
                             rescue_command(path.parent_path().string()));
    const std::string silent = titles(json, [](const auto& process) {
        const auto transitions = process.find("transitions");
        return transitions != process.end() && transitions->is_number_integer() && *transitions == 0;
    });
    if (!silent.empty()) notes.remarks.push_back(label + "no transition was recorded of " + silent);
    const auto processes = json.find("processes");
    const bool nobody = processes != json.end() && processes->is_array() && processes->empty();
    if (nobody && !failure_in(json))
        notes.remarks.push_back(label +
                                "no process with tracepoints of Tiffany registered with LTTng: none made a scheduler, "
                                "or TIFFANY_LTTNG=0 was set, or libtiffany-lttng.so or liblttng-ust was missing");
}

/// Whether there is such a part, and none of the inputs is it, or has it in it.
bool is_left_out(const fs::path& part, const std::vector<std::string>& inputs) {
    std::error_code failed;
    if (part.empty() || !fs::is_directory(part, failed)) return false;
    const auto has_it = [&part](const std::string& input) {
        std::error_code gone;
        for (fs::path above = part; above.has_relative_path(); above = above.parent_path())
            if (fs::equivalent(input, above, gone)) return true;
        return false;
    };
    return std::ranges::none_of(inputs, has_it);
}

}  // namespace

RecordNotes record_notes(const std::string& input, const std::vector<std::string>& all) {
    const auto [files, other_part] = find_record_files(input);
    RecordNotes notes;
    if (!files.empty() && other_part.empty()) notes.records = 0;
    if (is_left_out(other_part, all)) {
        const std::string recording = other_part.parent_path().string();
        notes.doubts.push_back("this is a part of the recording " + recording + ": what lies in its " +
                               other_part.filename().string() +
                               " is missing here, and not counted; read them as one: paltrace check " + recording);
    }
    for (const fs::path& file : files)
        add_notes_of(file, files.size() > 1 ? file.parent_path().filename().string() + ": " : "", notes);
    return notes;
}

std::vector<std::string> doubts_in(const std::string& record_json) {
    const nlohmann::json json = nlohmann::json::parse(record_json, nullptr, false);
    return json.is_object() ? doubts_of(json) : std::vector<std::string>{};
}

std::function<std::vector<std::string>(const ctf::ReadSummary&)> uncounted_in(const std::vector<std::string>& inputs) {
    std::vector<std::string> doubts;
    for (const std::string& input : inputs) {
        try {
            ctf::add_sentences(doubts, record_notes(input, inputs).doubts);
        } catch (const Error&) {
        }
    }
    return [doubts](const ctf::ReadSummary&) { return doubts; };
}

void warn_of_bad_record_file(const std::string& input, std::ostream& err) try {
    record_notes(input, {input});
} catch (const Error& error) {
    Notice{err} << error.one_line() << "; what the recording missed is not known";
}

}  // namespace tiffany::paltrace
