#include "pal_sink_outlet.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "pal_decode.hpp"
#include "setting_values.hpp"

namespace tiffany::detail {
namespace {

/// Returns whether the sink's call came back without an exception.
template <typename Call>
bool returns(const Call& call) noexcept {
    try {
        call();
        return true;
    } catch (...) {
        return false;
    }
}

}  // namespace

PalSinkOutlet::PalSinkOutlet(std::shared_ptr<pal::Sink> sink)
    : sink_{std::move(sink)}, pid_{static_cast<std::uint32_t>(getpid())} {
    record_.host = host_name();
    // any event's strings fit: decoding one allocates nothing, so that it cannot fail
    for (const catalogue::EventInfo& event : catalogue::events())
        for (const catalogue::FieldInfo& field : event.fields)
            if (field.is_string())
                for (std::string& text : record_.texts)
                    text.reserve(std::max(text.capacity(), field.max_bytes));
}

bool PalSinkOutlet::event(const PalEvent& event) noexcept {
    record_.pid = pid_;
    record_.ts_ns = event.ts_ns;
    decode_event(catalogue::info(event.id), event.payload, record_);
    return returns([this] { sink_->record(record_); });
}

bool PalSinkOutlet::gap(const pal::Gap& gap) noexcept {
    return returns([&] { sink_->gap(gap); });
}

bool PalSinkOutlet::looked(bool told, bool /*flush*/) noexcept {
    return !told || returns([this] { sink_->caught_up(); });
}

}  // namespace tiffany::detail
