/* SPDX-License-Identifier: MIT */
/* processors.c: how many threads this process can really run at once.
 *
 * The smaller of its affinity mask and its cgroup v2 quota, rounded up. A quota of a parent group
 * binds its children, so all groups up to the root are asked. Whatever cannot be read does not
 * limit: other systems, cgroup v1 and a missing /proc leave the affinity.
 */
#include "libaotrt.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int64_t affinity(void)
{
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set))
        return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);    /* more processors than the mask holds */
    return online > 0 ? online : 1;
}

/* The quota that a cpu.max file such as "150000 100000" or "max 100000" grants, rounded up. */
static int64_t quota_of(const char *file)
{
    long long quota, period;
    FILE *f = fopen(file, "re");
    if (!f)
        return INT64_MAX;
    int fields = fscanf(f, "%lld %lld", &quota, &period);
    fclose(f);
    if (fields != 2 || quota <= 0 || period <= 0)
        return INT64_MAX;
    return (quota + period - 1) / period;
}

/* The path of this process's group in the v2 hierarchy, "" for the root. 0: there is none. */
static int own_group(char *group, int size)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    int found = 0;
    while (f && !found && fgets(group, size, f))
        found = !strncmp(group, "0::/", 4);
    if (f)
        fclose(f);
    if (!found)
        return 0;
    group[strcspn(group, "\n")] = 0;
    memmove(group, group + 3, strlen(group + 3) + 1);
    if (!strcmp(group, "/"))
        group[0] = 0;
    return 1;
}

static int64_t quota(void)
{
    char group[PATH_MAX], file[PATH_MAX + 64];
    int64_t least = INT64_MAX;
    if (!own_group(group, sizeof group))
        return least;
    for (;;) {
        snprintf(file, sizeof file, "/sys/fs/cgroup%s/cpu.max", group);
        int64_t here = quota_of(file);
        if (here < least)
            least = here;
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = 0;
    }
}

int64_t aotrt_processors(void)
{
    int64_t mask = affinity(), granted = quota();
    return granted < mask ? granted : mask;
}
