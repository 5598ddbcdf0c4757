#pragma once
/// An event of numbers goes into LTTng's buffer as a whole.
///
/// The probe functions that LTTng's macros make write one field at a time, a call through a table for each. Here the
/// fields, which follow each other in the buffer as in the struct, are written with one call. What is recorded
/// reads the same. Whatever else is asked for (a filter, a trigger, an event with a string) goes LTTng's own way.
///
/// Private to the module; LTTng's headers come first.

#include <lttng/ust-events.h>
#include <lttng/ust-ringbuffer-context.h>
#include <lttng/ust-tracer.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tiffany::detail {

/// Bytes of an event's struct.
struct Run {
    std::size_t offset;
    std::size_t bytes;
};
inline constexpr std::size_t kString = 0;  // in the place of the number of bytes: as many as the string has

/// An event's fields, in their order in the buffer.
template <std::size_t Fields>
struct Layout {
    std::array<Run, Fields> runs{};  // of fields that follow each other in the struct, too
    std::size_t count = 0;
    std::size_t bytes = 0;
    bool numbers_only = true;

    constexpr explicit Layout(const std::array<Run, Fields>& fields) {
        for (const Run& field : fields) {
            if (field.bytes == kString) numbers_only = false;
            if (count != 0 && runs[count - 1].offset + runs[count - 1].bytes == field.offset)
                runs[count - 1].bytes += field.bytes;
            else
                runs[count++] = field;
            bytes += field.bytes;
        }
    }
};

// Where LTTng aligns fields in the buffer they do not follow each other.
#ifdef LTTNG_UST_RING_BUFFER_NATURAL_ALIGN
inline constexpr bool kPacked = false;
#else
inline constexpr bool kPacked = true;
#endif

/// Returns false if that is not all that is asked for: then nothing was recorded.
/// @param data  what LTTng gives a probe function
template <Layout kLayout>
[[gnu::always_inline]] inline bool record_whole(void* data, const void* event) noexcept {
    auto* const common = static_cast<lttng_ust_event_common*>(data);
    if (common->type != LTTNG_UST_EVENT_TYPE_RECORDER || CMM_ACCESS_ONCE(common->eval_filter) != 0) return false;
    auto* const recorder = static_cast<lttng_ust_event_recorder*>(common->child);
    const lttng_ust_channel_buffer& buffer = *recorder->chan;
    if (!CMM_ACCESS_ONCE(common->enabled) || !CMM_ACCESS_ONCE(buffer.parent->enabled) ||
        !CMM_ACCESS_ONCE(buffer.parent->session->active))
        return false;

    lttng_ust_probe_ctx caller{sizeof(lttng_ust_probe_ctx), __builtin_return_address(0)};
    lttng_ust_ring_buffer_ctx place;
    lttng_ust_ring_buffer_ctx_init(&place, recorder, kLayout.bytes, 1, &caller);
    if (buffer.ops->event_reserve(&place) < 0) return true;  // no room: LTTng has counted it
    const auto* const from = static_cast<const std::byte*>(event);
    if constexpr (kLayout.count == 1) {
        buffer.ops->event_write(&place, from + kLayout.runs[0].offset, kLayout.bytes, 1);
    } else {
        std::array<std::byte, kLayout.bytes> packed;
        std::byte* to = packed.data();
#pragma GCC unroll 8
        for (std::size_t i = 0; i < kLayout.count; ++i) {
            std::memcpy(to, from + kLayout.runs[i].offset, kLayout.runs[i].bytes);
            to += kLayout.runs[i].bytes;
        }
        buffer.ops->event_write(&place, packed.data(), packed.size(), 1);
    }
    buffer.ops->event_commit(&place);
    return true;
}

}  // namespace tiffany::detail
