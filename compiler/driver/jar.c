/* SPDX-License-Identifier: MIT */
/* A jar is a zip file. Its members are stored, not deflated: weights do not compress, and the bytes of a jar are the
 * same each time. */
#include "jar.h"
#include "embed.h"
#include <string.h>
#include <zlib.h>

#define PLATFORM "linux-x86-64" /* as JNA calls it */

enum { LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50 };
enum { VERSION = 20, UTF8_NAMES = 0x800, DAY_ONE = 0x21, DIRECTORY = 1 << 20 };

typedef struct Jar {
    Job *job;
    Output *out;
    uint64_t at;
    Text directory;
    int count;
} Jar;

static void le(Text *t, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        char byte = (char)(value >> 8 * i);
        text_put(t, &byte, 1);
    }
}

static void put(Jar *jar, const void *bytes, size_t size)
{
    output_write(jar->out, jar->at, bytes, size);
    jar->at += size;
}

/* The fields that a local header and the directory have in common. */
static void describe(Text *t, uint32_t crc, size_t size, size_t name)
{
    le(t, VERSION, 2);
    le(t, UTF8_NAMES, 2);
    le(t, 0, 2);       /* stored */
    le(t, 0, 2);       /* midnight */
    le(t, DAY_ONE, 2); /* 1980-01-01 */
    le(t, crc, 4);
    le(t, size, 4);
    le(t, size, 4);
    le(t, name, 2);
    le(t, 0, 2); /* no extra field */
}

static void add(Jar *jar, const char *name, const void *bytes, size_t size)
{
    Text t;
    size_t length = strlen(name);
    uint64_t start = jar->at;
    if (start + length + size + DIRECTORY > UINT32_MAX)
        fail(jar->job, EXIT_UNSUPPORTED,
             "%s: a jar of more than 4 GiB is not supported; compile to a .so and open that", name);
    uint32_t crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, size);
    text_init(&t, jar->job);
    le(&t, LOCAL, 4);
    describe(&t, crc, size, length);
    put(jar, t.at, t.n);
    put(jar, name, length);
    put(jar, bytes, size);
    le(&jar->directory, CENTRAL, 4);
    le(&jar->directory, VERSION, 2);
    describe(&jar->directory, crc, size, length);
    le(&jar->directory, 0, 2); /* no comment */
    le(&jar->directory, 0, 8); /* disk 0, attributes */
    le(&jar->directory, start, 4);
    text_put(&jar->directory, name, length);
    jar->count++;
}

static void finish(Jar *jar)
{
    uint64_t start = jar->at;
    Text t;
    put(jar, jar->directory.at, jar->directory.n);
    text_init(&t, jar->job);
    le(&t, END, 4);
    le(&t, 0, 4);
    le(&t, (uint64_t)jar->count, 2);
    le(&t, (uint64_t)jar->count, 2);
    le(&t, jar->directory.n, 4);
    le(&t, start, 4);
    le(&t, 0, 2);
    put(jar, t.at, t.n);
    output_commit(jar->out);
}

void write_jar(Job *job, const Compilation *c, const char *java_class, const char *output, const void *so,
               size_t so_bytes)
{
    static const char manifest[] = "Manifest-Version: 1.0\r\nCreated-By: aotc " AOTC_VERSION "\r\n\r\n";
    const char *name = java_class_name(job, java_class, output), *slash = strrchr(name, '/');
    const char *simple = slash ? slash + 1 : name;
    const char *folder = job_printf(job, "%.*s" PLATFORM, (int)(simple - name), name);
    JavaClasses classes = java_classes(job, c, name);
    Jar jar = { .job = job, .out = output_open(job, output, 0666) };
    text_init(&jar.directory, job);
    add(&jar, "META-INF/MANIFEST.MF", manifest, sizeof manifest - 1);
    for (size_t i = 0; i < classes.n; i++)
        add(&jar, classes.at[i].name, classes.at[i].text.at, classes.at[i].text.n);
    add(&jar, job_printf(job, "%s.json", name), c->artifact.metadata, strlen(c->artifact.metadata));
    add(&jar, "org/aotc/natives/" PLATFORM "/libaotrt.so", embed_libaotrt,
        (size_t)(embed_libaotrt_end - embed_libaotrt));
    add(&jar, job_printf(job, "%s/%s.so", folder, simple), so, so_bytes);
    finish(&jar);
}
