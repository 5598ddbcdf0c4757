#include "read_trace.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <utility>
#include <vector>

#include "confine.hpp"
#include "ctf_graph.hpp"
#include "decoder.hpp"
#include "find_bad_stream.hpp"
#include "metadata_check.hpp"
#include "missing_buffers.hpp"
#include "native_reader.hpp"
#include "tsdl.hpp"
#include "whole_index.hpp"

namespace tiffany::ctf {
namespace {

/// Returns false if the trace is not plain, and the user does not insist.
bool read_natively(const std::string& directory, const CheckedFiles& checked, const TraceOptions& options,
                   FrameWriter& writer) {
    if (options.reader == Reader::babeltrace2) return false;
    try {
        RecordPool pool;
        NativeReader reader{directory, checked, options.ticks, pool, [&writer] { writer.alive(); }};
        RecordBatch batch{pool};
        for (; reader.next(batch, writer); batch.clear())
            for (const pal::Record* const record : batch.records())
                writer.record(*record);
        return true;
    } catch (const NotPlain& not_plain) {
        if (options.reader == Reader::native)
            throw Error{ErrorKind::content, not_plain.why}.within("cannot decode trace " + directory +
                                                                  " with the native reader");
        return false;
    }
}

/// What a BoundedTrace is made of.
void send_indexes(const std::vector<StreamEnd>& cut, FrameWriter& writer) {
    constexpr std::size_t kAtOnce = 32 * 1024;
    const Said said = writer.leave_off();
    for (const StreamEnd& stream : cut) {
        const std::string name = std::filesystem::path{stream.file}.filename().string();
        std::string entries;
        const auto put = [&](std::string_view entry) {
            entries += entry;
            if (entries.size() >= kAtOnce) writer.index(name, std::exchange(entries, {}));
        };
        if (stream.packets != 0) write_whole_index(stream, put, [&writer] { writer.alive(); });
        writer.index(name, entries);
    }
    writer.bounds(said);
}

void read_with_babeltrace2(const std::string& directory, bool ticks, FrameWriter& writer) {
    Decoder decoder{writer, ticks};
    try {
        decode_trace(directory, [&](const bt_message* message) {
            decoder.message(message);
            writer.alive();
        });
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::content) throw;
        if (const std::optional<Error> stream = find_bad_stream(directory, [&] { writer.alive(); })) throw *stream;
        if (error.one_line().find(directory) == std::string::npos)
            throw error.within("cannot decode trace " + directory);
        throw;
    }
    Counts events;
    Counts fields;
    decoder.add_unknown(events, fields);
    writer.unknown(events, fields);
    if (decoder.ticks_left_out() != 0) writer.left_out(decoder.ticks_left_out());
}

/// What babeltrace2 found wrong of a trace whose program has such a name, with that as the reason.
Error told_of_odd_name(const std::string& directory, const Error& error) {
    if (error.kind() != ErrorKind::content) return error;
    return error.within("cannot read " + directory +
                        " with babeltrace2: the program's name has a quote, a backslash or a newline, which LTTng "
                        "writes into the metadata as it is (--reader native takes it as it is meant)");
}

/// What is missing of the trace's processes. `all`: stream files that are there all the same are something babeltrace2
/// stumbles over.
MissingBuffers tell_missing(const std::string& directory, const std::string& metadata, FrameHandler& handler) {
    MissingBuffers missing = missing_buffers(metadata);
    if (!missing.what.empty()) handler.lacks("cannot tell all of " + directory + ": " + missing.what);
    return missing;
}

std::string replaced(std::string text, const std::string& old, const std::string& by) {
    if (old.empty() || old == by) return text;
    for (std::size_t at = 0; (at = text.find(old, at)) != std::string::npos; at += by.size())
        text.replace(at, old.size(), by);
    return text;
}

/// The sentence with the trace's own directory, where it has that of a stand-in.
std::string named(const TraceFiles& files, std::string sentence) {
    return replaced(replaced(std::move(sentence), files.bounded, files.name), files.directory, files.name);
}

class NativeSource {
  public:
    NativeSource(std::string directory, bool ticks, RecordPool& pool, std::function<void()> on_progress)
        : directory_{std::move(directory)}, ticks_{ticks}, pool_{pool}, on_progress_{std::move(on_progress)} {}

    bool next(RecordBatch& batch, FrameHandler& handler) {
        return (reader_ || open(handler)) && reader_->next(batch, handler);
    }

  private:
    /// Returns whether there is something to be read.
    bool open(FrameHandler& handler) {
        if (std::exchange(opened_, true)) return false;
        const CheckedFiles checked = check_files(directory_, on_progress_);
        for (const StreamEnd& stream : checked.cut)
            handler.cut(stream.sentence());
        if (tell_missing(directory_, checked.metadata, handler).all) return false;
        reader_.emplace(directory_, checked, ticks_, pool_, on_progress_);
        return true;
    }

    std::string directory_;
    bool ticks_;
    RecordPool& pool_;
    std::function<void()> on_progress_;
    std::optional<NativeReader> reader_;
    bool opened_ = false;
};

}  // namespace

void read_trace(const TraceFiles& files, const TraceOptions& options, FrameWriter& writer) try {
    load_plugins();
    confine({files.directory});
    const CheckedFiles checked = check_files(files.directory, [&writer] { writer.alive(); });
    for (const StreamEnd& stream : checked.cut)
        writer.cut(named(files, stream.sentence()));
    if (tell_missing(files.directory, checked.metadata, writer).all) return;
    writer.may_come_again();
    if (read_natively(files.directory, checked, options, writer)) return;
    if (!checked.cut.empty()) return send_indexes(checked.cut, writer);
    writer.again();
    try {
        read_with_babeltrace2(files.directory, options.ticks, writer);
    } catch (const Error& error) {
        if (!checked.odd_name) throw;
        throw told_of_odd_name(files.directory, error);
    }
} catch (const Error& error) {
    throw Error{error.kind(), named(files, error.one_line())};
}

void go_on_with_babeltrace2(const TraceFiles& files, const TraceOptions& options, const Said& said,
                            FrameWriter& writer) try {
    load_plugins();
    confine({files.directory, files.bounded.empty() ? files.directory : files.bounded});
    writer.take_up(said);
    try {
        read_with_babeltrace2(files.bounded.empty() ? files.directory : files.bounded, options.ticks, writer);
    } catch (const Error& error) {
        std::string metadata = metadata_text(read_metadata(files.directory, [&writer] { writer.alive(); }));
        if (!mend_program_name(metadata)) throw;
        throw told_of_odd_name(files.directory, error);
    }
} catch (const Error& error) {
    throw Error{error.kind(), named(files, error.one_line())};
}

NextRecords native_source(const std::string& directory, bool ticks, RecordPool& pool,
                          const std::function<void()>& on_progress) {
    // std::function copies what it is made from
    return [source = std::make_shared<NativeSource>(directory, ticks, pool, on_progress)](
               RecordBatch& batch, FrameHandler& handler) { return source->next(batch, handler); };
}

}  // namespace tiffany::ctf
