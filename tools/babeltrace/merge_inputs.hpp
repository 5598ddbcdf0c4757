#pragma once
/// Merges what sources give into one log.

#include <functional>
#include <string>
#include <tiffany/pal/record.hpp>

#include "find_inputs.hpp"
#include "frames.hpp"
#include "read_summary.hpp"
#include "record_pool.hpp"
#include "trace_reader.hpp"

namespace tiffany::ctf {

/// Opens a source. The records that it gives are of `pool`. Errors: throws Error.
using OpenSource = std::function<NextRecords(const InputPart& found, RecordPool& pool)>;

/// Reads everything that was found, merged in time, as one log: duplicates are dropped, loss is computed anew.
/// Memory is bounded: it grows with inputs and workers, not with records.
/// Errors: thrown only if nothing could be read, or by the sink; a part that is bad goes into `bad_parts`.
ReadSummary merge_inputs(const FoundInputs& inputs, const ReadOptions& options, const OpenSource& open,
                         pal::EntrySink& sink);

}  // namespace tiffany::ctf
