#pragma once
/// Keeps all that a process's tasks do in memory, so that a test can look at it without a tracer.
///
///     tiffany::testing::ScopedSink sink;        // from here on everything is kept
///     { MyRuntime runtime; runtime.run(); }
///     EXPECT_THAT(sink.recording(), tiffany::testing::LifecycleIsLegal());   // matchers.hpp

#include <memory>
#include <mutex>
#include <tiffany/pal/sink.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <tiffany/testing/recording.hpp>
#include <vector>

namespace tiffany::testing {

/// Thread-safe. Memory grows with the run: about 400 bytes a record.
class MemorySink : public pal::Sink {
  public:
    void record(const pal::Record& record) override;
    void gap(const pal::Gap& gap) override;

    /// What it was told so far. Flush first (flush_sink), or use ScopedSink.
    Recording recording() const;
    /// Forgets it.
    void clear();

  private:
    mutable std::mutex mutex_;
    std::vector<pal::Record> records_;
    std::vector<pal::Gap> gaps_;
};

/// A MemorySink that is the process's sink as long as this lives, one at a time; a sink that install_sink installed
/// before is not put back.
/// Any thread may call its functions, and the hooks whose events it takes; only one destroys it, when no other uses it.
class ScopedSink {
  public:
    /// A flush waits so long: a test rather waits than fails on a slow machine.
    static constexpr std::chrono::milliseconds kFlushTimeout{60'000};
    /// Ticks are kept too, so that it can be seen whether each run lies in one.
    static constexpr SinkOptions kOptions{
        .ring_bytes = std::size_t{1} << 22, .flush_timeout = kFlushTimeout, .ticks = true};

    /// Install it before the runtime is made: what fired before is not told.
    /// Errors: std::logic_error, another one of this process lives; as install_sink.
    explicit ScopedSink(const SinkOptions& options = kOptions);
    /// Uninstalls, which waits for what has fired.
    ~ScopedSink();
    ScopedSink(const ScopedSink&) = delete;
    ScopedSink& operator=(const ScopedSink&) = delete;

    /// Waits until what has fired before this call is in the sink. Returns false after SinkOptions::flush_timeout.
    bool flush() const noexcept { return flush_sink(); }
    /// Flushes; all that has fired so far. Errors: std::runtime_error, the flush ran out of time.
    Recording recording() const;
    /// Flushes; what `paltrace check` would say.
    pal::LifecycleReport lifecycle() const { return recording().lifecycle(); }
    /// Flushes, and forgets what came so far.
    void clear();

  private:
    void flush_or_throw() const;

    std::shared_ptr<MemorySink> sink_ = std::make_shared<MemorySink>();
};

}  // namespace tiffany::testing
