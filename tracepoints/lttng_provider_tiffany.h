/* LTTng provider `tiffany`: every event of the catalogue but the ticks. LTTng reads this header many times. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER tiffany
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "lttng_provider_tiffany.h"

#if !defined(TIFFANY_LTTNG_PROVIDER_TIFFANY_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TIFFANY_LTTNG_PROVIDER_TIFFANY_H

#include <lttng/tracepoint.h>
#include <tiffany/tracepoints/event_structs.hpp>

#undef TIFFANY_PROVIDER
#define TIFFANY_PROVIDER tiffany
#include "lttng_provider_fields.h"
#define TIFFANY_ENUMERATION(name, meaning, values) \
    LTTNG_UST_TRACEPOINT_ENUM(tiffany, name, LTTNG_UST_TP_ENUM_VALUES(values))
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields)                         \
    LTTNG_UST_TRACEPOINT_EVENT(                                                                  \
        tiffany, task_##verb, LTTNG_UST_TP_ARGS(const struct tiffany_task_##verb*, e),           \
        LTTNG_UST_TP_FIELDS(TIFFANY_WORKER() TIFFANY_TID() TIFFANY_SEQ() TIFFANY_STEP() fields)) \
    LTTNG_UST_TRACEPOINT_LOGLEVEL(tiffany, task_##verb, LTTNG_UST_TRACEPOINT_LOGLEVEL_##level)
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields)                    \
    LTTNG_UST_TRACEPOINT_EVENT(tiffany, verb, LTTNG_UST_TP_ARGS(const struct tiffany_##verb*, e), \
                               LTTNG_UST_TP_FIELDS(fields))                                       \
    LTTNG_UST_TRACEPOINT_LOGLEVEL(tiffany, verb, LTTNG_UST_TRACEPOINT_LOGLEVEL_##level)
#include <tiffany/tracepoints/task_events.def>

#endif

#include <lttng/tracepoint-event.h>
