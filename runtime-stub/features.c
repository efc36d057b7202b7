/* SPDX-License-Identifier: MIT */
/* features.c: what a processor has beyond the level of a model, and what a process must ask its system for before it may
 * use it: the tiles of AMX.
 *
 * Linux gives them to a process that asks, because each thread that uses them needs 8 KB more in signal frames and when
 * it is switched; it refuses where a thread has an alternate signal stack that is too small for that.
 */
#include "libaotrt.h"

#include <stdatomic.h>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The registers that the system keeps, as XCR0 has them: AVX-512's are bits 5 to 7, those of tiles 17 and 18. */
static unsigned kept_registers(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27))                     /* OSXSAVE */
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int processor_has_tiles(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & 1u << 22) && (d & 1u << 24); /* AMX-BF16, AMX-TILE */
}

static int processor_has_dots(void)
{
    unsigned a, b, c, d;
    return (kept_registers() & 7u << 5) == 7u << 5 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
}

static int ask_for_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    return processor_has_tiles() && (kept_registers() & 3u << 17) == 3u << 17 &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}
#else
static int processor_has_tiles(void)
{
    return 0;
}

static int processor_has_dots(void)
{
    return 0;
}

static int ask_for_tiles(void)
{
    return 0;
}
#endif

uint64_t aot_ask_features(uint64_t wanted)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int tiles;        /* two threads that find it unknown ask the same */
    if ((wanted & AOT_TILES) && atomic_load(&tiles) == UNKNOWN)
        atomic_store(&tiles, ask_for_tiles() ? YES : NO);
    if ((wanted & AOT_TILES) && atomic_load(&tiles) == YES)
        return AOT_TILES;
    return (wanted & AOT_DOTS) && !processor_has_tiles() && processor_has_dots() ? AOT_DOTS : 0;
}
