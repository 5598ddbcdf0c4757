// Preloaded into `paltrace` under callgrind, so that the process in which it decodes a trace does not confine itself:
// valgrind in that process would be confined, too, and die.

struct rlimit;

extern "C" {
int setrlimit(int what, const rlimit* limit);
int setrlimit64(int what, const rlimit* limit);
int seccomp_load(const void* filter);
}

int setrlimit(int /*what*/, const rlimit* /*limit*/) {
    return 0;
}

int setrlimit64(int /*what*/, const rlimit* /*limit*/) {
    return 0;
}

int seccomp_load(const void* /*filter*/) {
    return -1;  // as where the kernel has no seccomp
}
