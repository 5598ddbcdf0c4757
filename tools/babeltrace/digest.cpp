#include "digest.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "child_source.hpp"
#include "confine.hpp"
#include "find_inputs.hpp"
#include "merge_inputs.hpp"
#include "read_trace.hpp"
#include "shared_blocks.hpp"
#include "tsdl.hpp"

namespace tiffany::ctf {
namespace {

/// The child's end of an outlet.
class BlockSink : public pal::ByteSink {
  public:
    BlockSink(SharedBlocks& blocks, FrameWriter& writer) : blocks_{blocks}, writer_{writer} {}

    /// Whole blocks are handed over: a file system takes them faster than pieces that end anywhere.
    void write(std::string_view bytes) override {
        while (!bytes.empty()) {
            bytes.remove_prefix(blocks_.fill(bytes));
            if (blocks_.filled() == SharedBlocks::kBytes) hand_over();
        }
    }
    void finish() {
        if (blocks_.filled() != 0) hand_over();
    }

  private:
    void hand_over() {
        const auto bytes = static_cast<std::uint32_t>(blocks_.filled());
        blocks_.hand_over();
        writer_.block(bytes);
    }

    SharedBlocks& blocks_;
    FrameWriter& writer_;
};

/// Logs and pages are text of lines, in which what is below a blank is escaped: a terminal that shows them does nothing
/// else.
bool is_text(std::string_view bytes) {
    constexpr std::size_t kAtOnce = 64;  // without a branch, and in bytes alone: a few instructions
    const auto is_bad = [](char byte) {
        return static_cast<unsigned char>(static_cast<unsigned char>(byte) < 0x20) &
               static_cast<unsigned char>(byte != '\n');
    };
    unsigned char bad = 0;
    for (; bytes.size() >= kAtOnce; bytes.remove_prefix(kAtOnce))
        for (std::size_t i = 0; i < kAtOnce; ++i)
            bad = static_cast<unsigned char>(bad | is_bad(bytes[i]));
    for (const char byte : bytes)
        bad = static_cast<unsigned char>(bad | is_bad(byte));
    return bad == 0;
}

/// The parent's end: what the child writes goes to the outlet.
class BlockTaker : public ChildHandler {
  public:
    /// The outlet failed, not the child.
    struct CannotWrite {
        Error error;
    };

    BlockTaker(SharedBlocks& blocks, Outlet& out) : blocks_{blocks}, out_{out} {}

    void block(std::uint32_t bytes) override {
        // once: what is checked and held against the other reader's is what is written, whatever the child does to it
        text_.assign(blocks_.full(bytes));
        blocks_.empty();
        if (!is_text(text_)) throw Error{ErrorKind::system, "the process that digests a trace sent what is no text"};
        sent_ += text_.size();
        if (sent_ > out_.most_of_another())
            throw Error{ErrorKind::system, "the process that digests a trace sent more than " +
                                               std::to_string(out_.most_of_another()) + " bytes"};
        try {
            out_.write(text_);
        } catch (const Error& error) {
            throw CannotWrite{error};
        }
    }
    void digested(const ReadSummary& seen, std::uint64_t findings) override { made = {seen, findings}; }
    void left() override { is_left = true; }
    [[noreturn]] static void refuse() {
        throw Error{ErrorKind::system, "the process that digests a trace sent something else"};
    }

    std::optional<Digested> made;
    bool is_left = false;

  private:
    SharedBlocks& blocks_;
    Outlet& out_;
    std::string text_;
    std::uint64_t sent_ = 0;
};

/// Nothing if the child came to no good end: what it wrote by then is the beginning of the whole. That the trace is not
/// for it is no news, of any other end its user is told.
std::optional<Digested> digest_in_a_child(const FoundInputs& inputs, const ReadOptions& options, Digest& digest,
                                          Outlet& out) try {
    const InputPart& trace = inputs.found.front();
    SharedBlocks blocks;
    const auto work = [&](FrameWriter& writer) {
        BlockSink sink{blocks, writer};
        out.redirect(sink);
        confine({trace.name});
        const auto open = [&](const InputPart&, RecordPool& pool) {
            return native_source(trace.name, options.of_traces.ticks, pool, [&writer] { writer.alive(); });
        };
        try {
            const ReadSummary seen = merge_inputs(inputs, options, open, digest.entries());
            const std::uint64_t findings = digest.finish(seen);
            sink.finish();
            writer.digested(seen, findings);
        } catch (const NotPlain&) {
            writer.left();
        } catch (const Error&) {
            writer.left();
        }
    };
    ChildSource child{trace.name, work, options.patience, blocks.child_waits_at()};
    BlockTaker taker{blocks, out};
    NothingRead nothing;
    pal::Record none;
    if (child.next(none, nothing, taker)) BlockTaker::refuse();
    if (!taker.made && !taker.is_left) BlockTaker::refuse();
    return std::move(taker.made);
} catch (const Error& error) {
    if (options.tell) options.tell(error.one_line() + "; it is read once more, in another way");
    return std::nullopt;
} catch (const BlockTaker::CannotWrite& failed) {
    throw failed.error;
}

bool may_be_plain(const FoundInputs& inputs, const ReadOptions& options) {
    return inputs.found.size() == 1 && inputs.found.front().is_trace && inputs.bad.empty() &&
           options.of_traces.reader != Reader::babeltrace2;
}

}  // namespace

void Outlet::write(std::string_view bytes) {
    if (other_ != nullptr) return other_->write(bytes);
    bytes = said_.news(bytes);
    if (!bytes.empty()) file_.write(bytes);
}

void Outlet::finish_after(const Error& met) const {
    if (said_.lacks()) throw met.within(SaidOnce::disagreement().what());
}

Digested digest_inputs(const std::vector<std::string>& inputs, const ReadOptions& options, Digest& digest,
                       Outlet& out) {
    const FoundInputs found = find_inputs(inputs, options.patience);
    ReadOptions others = options;
    if (may_be_plain(found, options)) {
        if (std::optional<Digested> made = digest_in_a_child(found, options, digest, out)) return *std::move(made);
        out.again();
        // what the native reader cannot do it need not try again, but to say why
        if (options.of_traces.reader == Reader::automatic) others.of_traces.reader = Reader::babeltrace2;
    }
    Digested made;
    made.seen = read_found(found, others, digest.entries());
    made.findings = digest.finish(made.seen);
    out.finish();
    return made;
}

}  // namespace tiffany::ctf
