#pragma once
/// Hands events to a program's own sink, as records.

#include <memory>
#include <tiffany/pal/sink.hpp>

#include "pal_outlet.hpp"

namespace tiffany::detail {

class PalSinkOutlet : public PalOutlet {
  public:
    /// Errors: std::bad_alloc.
    explicit PalSinkOutlet(std::shared_ptr<pal::Sink> sink);

    bool event(const PalEvent& event) noexcept override;
    bool gap(const pal::Gap& gap) noexcept override;
    bool looked(bool told, bool flush) noexcept override;
    void end() noexcept override { sink_.reset(); }

  private:
    std::shared_ptr<pal::Sink> sink_;
    const std::uint32_t pid_;
    pal::Record record_;
};

}  // namespace tiffany::detail
