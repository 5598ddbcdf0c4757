#pragma once
/// What DIR/record.json says that the trace beside it cannot: how the recording ended.

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "tools/babeltrace/read_summary.hpp"

namespace tiffany::paltrace {

struct RecordNotes {
    std::vector<std::string> doubts;   ///< a sentence for each thing that may be missing and that no record tells of
    std::vector<std::string> left;     ///< likewise, for what lies in the directory still and may be read
    std::vector<std::string> remarks;  ///< what was there and did nothing
    std::optional<std::uint64_t> records{};  ///< how many `record` counted in what the input is; nothing: not known
};

/// @param input  a directory: of a recording, one in its trace or in what was recovered beside that, or one that
///               recordings lie in, at any depth; or the log that `record --convert` wrote beside its record.json
/// @param all    that are read with it, itself among them
/// Returns nothing to say if there is no record.json.
/// Errors: ErrorKind::content if there is one that is no such document, ErrorKind::system if it cannot be read.
RecordNotes record_notes(const std::string& input, const std::vector<std::string>& all);

/// The doubts of a document as record.json is one.
std::vector<std::string> doubts_in(const std::string& record_json);

/// For ReadOptions: the doubts of these inputs. Of one whose record.json is bad there are none here, which
/// warn_of_bad_record_file tells.
std::function<std::vector<std::string>(const ctf::ReadSummary&)> uncounted_in(const std::vector<std::string>& inputs);

/// For who does not need the notes: one line if they cannot be had.
void warn_of_bad_record_file(const std::string& input, std::ostream& err);

}  // namespace tiffany::paltrace
