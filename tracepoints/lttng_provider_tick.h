/* LTTng provider `tiffany_tick`: the span of the scheduler's tick. LTTng reads this header many times. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER tiffany_tick
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_provider_tick.h"

#if !defined(TIFFANY_LTTNG_PROVIDER_TICK_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TIFFANY_LTTNG_PROVIDER_TICK_H

#include <lttng/tracepoint.h>
#include <tiffany/tracepoints/event_structs.hpp>

#undef TIFFANY_PROVIDER
#define TIFFANY_PROVIDER tiffany_tick
#include "lttng_provider_fields.h"
#define TIFFANY_ENUMERATION(name, meaning, values) \
    LTTNG_UST_TRACEPOINT_ENUM(tiffany_tick, name, LTTNG_UST_TP_ENUM_VALUES(values))
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields)                               \
    LTTNG_UST_TRACEPOINT_EVENT(tiffany_tick, verb, LTTNG_UST_TP_ARGS(const struct tiffany_tick_##verb*, e), \
                               LTTNG_UST_TP_FIELDS(fields))                                                 \
    LTTNG_UST_TRACEPOINT_LOGLEVEL(tiffany_tick, verb, LTTNG_UST_TRACEPOINT_LOGLEVEL_##level)
#include <tiffany/tracepoints/task_events.def>

#endif

#include <lttng/tracepoint-event.h>
