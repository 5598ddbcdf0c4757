#pragma once
/// Makes a program whose parts disagree about TIFFANY_TELEMETRY a link error: a task that is 64 bytes in one file and
/// none in another is memory that gets overwritten.
///
/// Every file that sees the hooks defines one weak symbol: thread-local with hooks, not thread-local without. Files
/// that agree share it; a symbol of both kinds is refused by GNU ld and gold, a section of both kinds by lld. (Two
/// definitions that are not weak would say more, but lld lets those of link-time optimised files clash with
/// themselves.) The sections are empty: nothing of this is loaded.

// The label, local to the assembler's file, keeps the mark single where link-time optimisation joins files; one of each
// kind is the assembler's error there.
#define TIFFANY_BUILD_MARK(choice, section, type)                           \
    __asm__(".ifndef .Ltiffany_telemetry_" choice                           \
            "\n"                                                            \
            ".pushsection .tiffany_telemetry_on_and_off_are_mixed," section \
            "\n"                                                            \
            ".Ltiffany_telemetry_" choice                                   \
            ":\n"                                                           \
            ".weak tiffany_telemetry_on_and_off_are_mixed\n"                \
            ".hidden tiffany_telemetry_on_and_off_are_mixed\n"              \
            ".type tiffany_telemetry_on_and_off_are_mixed,@" type           \
            "\n"                                                            \
            "tiffany_telemetry_on_and_off_are_mixed:\n"                     \
            ".popsection\n"                                                 \
            ".endif\n")

#if TIFFANY_TELEMETRY
TIFFANY_BUILD_MARK("on", "\"awTR\",@nobits", "tls_object");
#else
TIFFANY_BUILD_MARK("off", "\"\",@progbits", "object");
#endif

#undef TIFFANY_BUILD_MARK
