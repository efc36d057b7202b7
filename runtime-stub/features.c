/* SPDX-License-Identifier: MIT */
/* features.c: what a process must ask its system for before it may use it: the tiles of AMX.
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

static int processor_has_tiles(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27))                     /* OSXSAVE */
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 3u << 17) != 3u << 17 || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    return (d & 1u << 22) && (d & 1u << 24);                                    /* AMX-BF16, AMX-TILE */
}

static int ask_for_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    return processor_has_tiles() && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}
#else
static int ask_for_tiles(void)
{
    return 0;
}
#endif

uint64_t aot_ask_features(uint64_t wanted)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int tiles;        /* two threads that find it unknown ask the same */
    if (!(wanted & AOT_TILES))
        return 0;
    if (atomic_load(&tiles) == UNKNOWN)
        atomic_store(&tiles, ask_for_tiles() ? YES : NO);
    return atomic_load(&tiles) == YES ? AOT_TILES : 0;
}
