/* SPDX-License-Identifier: MIT */
/* Opens the toy and calls it: host FILE.  Built with whatever compiler and C library the test is
 * about. */
#include <dlfcn.h>
#include <stdio.h>

typedef struct Method {
    const char *name;
    int (*run)(const float *x, float *y, int n);
} Method;

static int wrong(const char *what)
{
    fprintf(stderr, "host: %s\n", what);
    return 1;
}

int main(int argc, char **argv)
{
    enum { N = 4095 };
    static float x[N], y[N];
    void *lib = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!lib)
        return wrong(dlerror());
    const Method *(*entry)(int) = (const Method *(*)(int))dlsym(lib, "aot_entry");
    if (!entry || dlsym(lib, "pick"))
        return wrong("exports");
    for (int set = 0; set < 2; set++) {
        const Method *m = entry(set);
        if (m->name[6] != 'a' + set)
            return wrong("name");
        for (int i = 0; i < N; i++)
            x[i] = (float)(i % 97), y[i] = -1;
        if (m->run(x, y, N) != 3) /* f0: N % 8 == 7 */
            return wrong("result");
        for (int i = 0; i < N; i++)
            if (y[i] != 2 * x[i] + 0.5f * (float)i)
                return wrong("numbers");
    }
    return dlclose(lib) ? wrong("dlclose") : 0;
}
