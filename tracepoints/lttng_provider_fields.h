/* How a field of the catalogue becomes a field of an LTTng tracepoint whose argument is the event's struct `e`.
 * Included by both providers' headers, again and again: LTTng reads those many times. TIFFANY_PROVIDER is the provider.
 */
#define TIFFANY_WORKER() lttng_ust_field_integer(uint64_t, worker, e->worker)
#define TIFFANY_TID() lttng_ust_field_integer(uint64_t, tid, e->tid)
#define TIFFANY_SEQ() lttng_ust_field_integer(uint64_t, seq, e->seq)
#define TIFFANY_STEP() lttng_ust_field_integer(uint64_t, step, e->step)
#define TIFFANY_PID() lttng_ust_field_integer(uint32_t, pid, e->pid)
#define TIFFANY_U8(name, meaning) lttng_ust_field_integer(uint8_t, name, e->name)
#define TIFFANY_U16(name, meaning) lttng_ust_field_integer(uint16_t, name, e->name)
#define TIFFANY_U32(name, meaning) lttng_ust_field_integer(uint32_t, name, e->name)
#define TIFFANY_U64(name, meaning) lttng_ust_field_integer(uint64_t, name, e->name)
#define TIFFANY_DURATION(name, meaning) lttng_ust_field_integer(uint64_t, name, e->name)
#define TIFFANY_ENUM(name, enumeration, meaning) \
    lttng_ust_field_enum(TIFFANY_PROVIDER, enumeration, uint8_t, name, e->name)
#define TIFFANY_STRING(name, bytes, meaning) lttng_ust_field_string(name, e->name)
#define TIFFANY_VALUE(enumeration, label, number) lttng_ust_field_enum_value(#label, number)
