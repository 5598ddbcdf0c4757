#pragma once
/// Writes a PAL log as JSON Lines, version 1 (docs/pal.md).
///
///     OutputFile file{"run.pal"};          // tiffany/pal/output.hpp
///     LogWriter writer{file};
///     read_traces({"run1"}, {}, writer);   // whoever pushes calls begin, record and gap, end
///     file.commit();

#include <memory>
#include <tiffany/pal/byte_sink.hpp>
#include <tiffany/pal/record.hpp>

namespace tiffany::pal {

/// Not shared between threads. `end` and `flush` hand everything over; the destructor hands over nothing, because it
/// could not say that a disk is full.
///
/// Cost: a record is formatted by hand into a buffer that is kept; nothing is allocated once the buffer has grown.
/// Strings come out as valid UTF-8 (invalid bytes as U+FFFD), whatever goes in.
/// Errors: what the ByteSink throws.
class LogWriter : public EntrySink {
  public:
    /// `out` must outlive the writer.
    explicit LogWriter(ByteSink& out);
    ~LogWriter() override;
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    void begin(const Begin& begin) override;
    void record(const Record& record) override;
    void gap(const Gap& gap) override;
    void end(const End& end) override;

    /// Hands over what is still in the buffer.
    void flush();

  private:
    class Formatter;
    std::unique_ptr<Formatter> formatter_;
};

}  // namespace tiffany::pal
