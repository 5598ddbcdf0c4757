// What ThreadSanitizer is not to report: TBB's library is not compiled with it, so it does not see that TBB hands a
// task from one thread to another. The adapter's own memory is ordered by atomics of its own; what is left is what
// TBB's inline functions themselves read and write of TBB's objects: hence the top frame, in TBB's headers.

extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race_top:include/oneapi/tbb/\nrace_top:^tbb::detail::\n"  // by file, or by name where no line is known
           "called_from_lib:libtbb.so\n";                             // what it frees and compares itself
}

// What LeakSanitizer is not to report: TBB's threads, which outlive the tests, keep 40 bytes of an observer that they
// have seen until they see the next one.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
    return "leak:tbb::detail::r1::observe\n";
}
