/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over a fixed number of mutated seeds, the same on every machine: mutate
 * RUNS SEED..
 *
 * In zip seeds the CRCs of stored members are made right again after most mutations, so that
 * the damage gets past them to the readers behind. */
#include "target.h"
#include <zlib.h>

static uint64_t state = 88172645463325252u;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13; /* xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (uint32_t)(state >> 32) % below : 0;
}

static uint8_t *read_seed(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    if (!f || !bytes) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    *size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

static void change_once(uint8_t *b, size_t *size)
{
    static const uint8_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, '"', '{', '[', '-', '9', '(', 'R', '.' };
    size_t at = draw((uint32_t)*size), from = draw((uint32_t)*size);
    size_t left = *size - (at > from ? at : from), n = draw(left > 16 ? 16 : (uint32_t)left + 1);
    switch (draw(6)) {
    case 0: b[at] ^= (uint8_t)(1u << draw(8)); break;
    case 1: b[at] = odd[draw(sizeof odd)]; break;
    case 2: memmove(b + at, b + from, n); break;
    case 3: /* take bytes out */
        memmove(b + at, b + at + n, *size - at - n);
        *size -= n;
        break;
    case 4: /* double bytes */
        memmove(b + at + n, b + at, *size - at);
        *size += n;
        break;
    default:
        if (!draw(8))
            *size = at;
    }
}

static uint32_t little(const uint8_t *p, int n)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 |
           (n == 4 ? (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0);
}

static void mend_zip(uint8_t *b, size_t size)
{
    for (size_t at = 0; at + 46 <= size; at++) {
        uint8_t *p = b + at;
        if (memcmp(p, "PK\1\2", 4))
            continue;
        size_t header = little(p + 42, 4), n = little(p + 20, 4);
        if (header + 30 > size)
            continue;
        size_t data = header + 30 + little(b + header + 26, 2) + little(b + header + 28, 2);
        if (data > size || n > size - data)
            continue;
        uint32_t crc = (uint32_t)crc32(0, b + data, (uInt)n);
        for (int i = 0; i < 4; i++)
            p[16 + i] = (uint8_t)(crc >> (8 * i));
    }
}

int main(int argc, char **argv)
{
    long runs = argc > 2 ? atol(argv[1]) : 0;
    for (int i = 2; i < argc; i++) {
        size_t size;
        uint8_t *seed = read_seed(argv[i], &size), *b = malloc(size + 256);
        if (!b)
            return 1;
        LLVMFuzzerTestOneInput(seed, size);
        for (long run = 0; run < runs / (argc - 2); run++) {
            size_t n = size;
            memcpy(b, seed, size);
            for (uint32_t changes = 1 + draw(8); changes && n; changes--)
                change_once(b, &n);
            if (n >= 4 && !memcmp(seed, "PK", 2) && draw(4))
                mend_zip(b, n);
            LLVMFuzzerTestOneInput(b, n);
        }
        free(b);
        free(seed);
    }
    printf("%ld runs\n", runs);
    return runs == 0;
}
