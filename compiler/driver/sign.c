/* SPDX-License-Identifier: MIT */
/* aotc keygen, aotc sign, and what checks their signatures: libsodium, which libaotrt uses as well (signature.c there). */
#include "sign.h"
#include "driver.h"
#include "../../codegen/toolchain/toolchain.h"
#include "../../runtime-stub/aot.h"
#include "../archive/zip.h"
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

enum { PEM_MAX = 4096, DER_MAX = 64 };

/* What stands around the 32 bytes of a key (RFC 8410). */
typedef struct Kind {
    const char *label;
    const char *about;
    size_t head_bytes;
    uint8_t head[16];
} Kind;

static const Kind public_kind = {
    "PUBLIC KEY", "public", 12, { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 }
};
static const Kind secret_kind = { "PRIVATE KEY",
                                  "secret",
                                  16,
                                  { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
                                    0x04, 0x20 } };

/* ---- keys ------------------------------------------------------------------------------------------------- */

static void start(Job *job)
{
    if (sodium_init() < 0)
        fail(job, EXIT_RESOURCE, "libsodium does not start");
}

/* The base64 between the lines of this label becomes the bytes; false: something else is there. */
static bool decode_pem(const Kind *kind, const char *begin, const char *end, const char *text, uint8_t key[32])
{
    uint8_t der[DER_MAX];
    size_t n = 0;
    const char *stop = NULL;
    if (strncmp(text, begin, strlen(begin)))
        return false;
    text += strlen(begin);
    bool ok =
        !sodium_base642bin(der, sizeof der, text, strlen(text), "\r\n ", &n, &stop, sodium_base64_VARIANT_ORIGINAL) &&
        !strncmp(stop, end, strlen(end)) && !stop[strlen(end) + strspn(stop + strlen(end), "\r\n ")] &&
        n == kind->head_bytes + 32 && !memcmp(der, kind->head, kind->head_bytes);
    if (ok)
        memcpy(key, der + kind->head_bytes, 32);
    sodium_memzero(der, sizeof der);
    return ok;
}

static void read_pem(Job *job, const Kind *kind, const char *path, uint8_t key[32])
{
    size_t size;
    char *text = read_file(job, path, PEM_MAX, &size);
    start(job);
    bool ok = !memchr(text, 0, size) && decode_pem(kind, job_printf(job, "-----BEGIN %s-----", kind->label),
                                                   job_printf(job, "-----END %s-----", kind->label), text, key);
    sodium_memzero(text, size);
    if (!ok)
        fail(job, EXIT_INPUT, "%s: is no %s key of Ed25519; expected a PEM file as aotc keygen writes it", path,
             kind->about);
}

void read_public_key(Job *job, const char *path, uint8_t key[PUBLIC_KEY_BYTES])
{
    read_pem(job, &public_kind, path, key);
}

void read_secret_key(Job *job, const char *path, uint8_t key[SECRET_KEY_BYTES])
{
    uint8_t seed[32], public[PUBLIC_KEY_BYTES];
    read_pem(job, &secret_kind, path, seed);
    crypto_sign_seed_keypair(public, key, seed);
    sodium_memzero(seed, sizeof seed);
}

static void write_pem(Job *job, const Kind *kind, const char *path, int mode, const uint8_t key[32])
{
    uint8_t der[DER_MAX];
    char base64[2 * DER_MAX], text[4 * DER_MAX];
    memcpy(der, kind->head, kind->head_bytes);
    memcpy(der + kind->head_bytes, key, 32);
    sodium_bin2base64(base64, sizeof base64, der, kind->head_bytes + 32, sodium_base64_VARIANT_ORIGINAL);
    int n = snprintf(text, sizeof text, "-----BEGIN %s-----\n%s\n-----END %s-----\n", kind->label, base64, kind->label);
    output_file(job, path, mode, text, (size_t)n);
    sodium_memzero(der, sizeof der);
    sodium_memzero(base64, sizeof base64);
    sodium_memzero(text, sizeof text);
}

/* ---- signatures -------------------------------------------------------------------------------------------- */

void write_signature(Job *job, const char *path, const void *bytes, size_t size, const uint8_t key[SECRET_KEY_BYTES])
{
    uint8_t signature[SIGNATURE_BYTES];
    crypto_sign_detached(signature, NULL, bytes, size, key);
    output_file(job, job_printf(job, "%s.sig", path), 0666, signature, sizeof signature);
}

void check_signature(Job *job, const char *path, const void *bytes, size_t size, const uint8_t key[PUBLIC_KEY_BYTES])
{
    const char *name = job_printf(job, "%s.sig", path);
    char why[200];
    size_t n;
    if (access(name, R_OK))
        fail(job, EXIT_INPUT, "%s: is not signed; %s: %s", path, name, strerror(errno));
    const char *signature = read_file(job, name, PEM_MAX, &n);
    if (n != SIGNATURE_BYTES)
        fail(job, EXIT_INPUT, "%s: is no signature; expected %d bytes", name, SIGNATURE_BYTES);
    if (aot_check_signature(bytes, size, (const uint8_t *)signature, key, why, sizeof why))
        fail(job, EXIT_INPUT, "%s: %s", path, why);
}

/* ---- the commands ------------------------------------------------------------------------------------------ */

void command_keygen(Job *job, int argc, char **argv)
{
    uint8_t seed[32], public[PUBLIC_KEY_BYTES], secret[SECRET_KEY_BYTES];
    if (help_wanted(job, argc, argv, "keygen"))
        return;
    if (argc != 2 || argv[1][0] == '-')
        usage_error(job, "keygen takes one name, of the file that the secret key goes to");
    const char *files[] = { argv[1], job_printf(job, "%s.pub", argv[1]) };
    for (int i = 0; i < 2; i++)
        if (!access(files[i], F_OK))
            fail(job, EXIT_USAGE, "%s: is there already; a key is never replaced", files[i]);
    start(job);
    randombytes_buf(seed, sizeof seed);
    crypto_sign_seed_keypair(public, secret, seed);
    write_pem(job, &secret_kind, files[0], 0600, seed);
    write_pem(job, &public_kind, files[1], 0666, public);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret, sizeof secret);
}

void command_sign(Job *job, int argc, char **argv)
{
    VEC(const char *) files = { 0 };
    const char *key_file = NULL, *value;
    uint8_t key[SECRET_KEY_BYTES];
    if (help_wanted(job, argc, argv, "sign"))
        return;
    for (int i = 1; i < argc; i++) {
        if ((value = flag_value(job, "--key", argc, argv, &i)))
            key_file = value;
        else if (argv[i][0] == '-')
            usage_error(job, "%s: is not known to sign", argv[i]);
        else
            *vec_push(job, &files) = argv[i];
    }
    if (!key_file || !files.n)
        usage_error(job, "sign needs --key KEY and a file");
    read_secret_key(job, key_file, key);
    for (size_t i = 0; i < files.n; i++) {
        size_t size;
        const uint8_t *bytes = map_file(job, files.at[i], &size);
        write_signature(job, files.at[i], bytes, size, key);
    }
    sodium_memzero(key, sizeof key);
}
