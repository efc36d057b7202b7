/* SPDX-License-Identifier: MIT */
/* signature_test.c: aot_open_signed and aot_check_signature. libsodium, linked here, signs.
 *
 *     signature_test FOLDER      holds toy.so and toy_side.so; a scratch folder is made in it
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../check.h"
#include "aot.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;
static char scratch[3000], text[600];
static unsigned char public_key[32], secret_key[64], other_key[32], other_secret[64];

/* ---- Files ----------------------------------------------------------------------------------- */

static const char *in(const char *where, const char *name)
{
    static char path[8][4096];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", where, name);
    return path[turn];
}

static unsigned char *read_file(const char *path, size_t *size)
{
    static unsigned char data[1 << 20];
    FILE *f = fopen(path, "rb");
    *size = f ? fread(data, 1, sizeof data, f) : 0;
    if (f)
        fclose(f);
    return data;
}

/* In place, so that whoever has mapped the file sees it. */
static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(data, 1, size, f) == size);
    if (f)
        fclose(f);
}

/* Puts a toy into the scratch folder, with its signature. */
static const char *signed_toy(const char *name)
{
    unsigned char signature[65] = { 0 };
    size_t size;
    unsigned char *data = read_file(in(folder, name), &size);
    write_file(in(scratch, name), data, size);
    CHECK(crypto_sign_detached(signature, NULL, data, size, secret_key) == 0);
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.sig", scratch, name);
    write_file(path, signature, 64);
    return in(scratch, name);
}

/* Opening fails with this status, and says this. */
static void refused(const char *path, const unsigned char *key, aot_status expected, const char *part)
{
    aot_file *file = (aot_file *)&file;
    text[0] = 0;
    CHECK(aot_open_signed(path, NULL, key, &file, text, sizeof text) == expected);
    CHECK(!file);
    CHECK_HAS(text, part);
}

static void runs(aot_file *file)
{
    aot_session *session;
    float x[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    if (!CHECK(file && !aot_session_new(file, NULL, 1, &session)))
        return;
    if (CHECK(!aot_set_input(session, 0, x, (int64_t[]){ 2, 4 }, 2) && !aot_run(session)))
        CHECK(((const float *)aot_output_data(session, 0))[0] == 3);
    aot_session_free(session);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

/* RFC 8032, section 7.1, test 2. */
static void known_answer(void)
{
    static const unsigned char key[32] = {
        0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
        0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c };
    unsigned char signature[64] = {
        0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40,
        0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda,
        0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c,
        0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00 };
    CHECK(aot_check_signature("\x72", 1, signature, key, NULL, 0) == AOT_OK);
    CHECK(aot_check_signature("\x73", 1, signature, key, text, sizeof text) == AOT_ESIGNATURE);
    signature[40] ^= 1;
    CHECK(aot_check_signature("\x72", 1, signature, key, NULL, 0) == AOT_ESIGNATURE);
    CHECK(aot_check_signature(NULL, 1, signature, key, NULL, 0) == AOT_EARG);
    CHECK(aot_check_signature("", 0, NULL, key, NULL, 0) == AOT_EARG);
}

static void opens_what_is_signed(void)
{
    aot_file *file;
    const char *path = signed_toy("toy.so");
    CHECK(aot_open_signed(path, NULL, public_key, &file, text, sizeof text) == AOT_OK);
    runs(file);
    size_t size;
    unsigned char *data = read_file(path, &size);
    memset(data, 0xcc, size);
    write_file(path, data, size); /* what runs is a copy */
    runs(file);
    aot_close(file);
}

static void refuses_what_is_not(void)
{
    const char *path = signed_toy("toy.so");
    refused(path, other_key, AOT_ESIGNATURE, "not one of this key");
    refused(path, NULL, AOT_EARG, "key");
    refused(in(scratch, "absent.so"), public_key, AOT_EHOST, "absent.so");
    size_t size;
    unsigned char *data = read_file(path, &size);
    for (size_t at = 0; at < size; at += size / 7) {
        data[at] ^= 1;
        write_file(path, data, size);
        data[at] ^= 1;
        refused(path, public_key, AOT_ESIGNATURE, "toy.so");
    }
    write_file(path, data, size - 1);
    refused(path, public_key, AOT_ESIGNATURE, "toy.so");
    write_file(path, data, size);
    char name[4096];
    snprintf(name, sizeof name, "%s.sig", path);
    data = read_file(name, &size);
    write_file(name, data, 63);
    refused(path, public_key, AOT_ESIGNATURE, "is no signature");
    write_file(name, data, 65);
    refused(path, public_key, AOT_ESIGNATURE, "is no signature");
    unlink(name);
    refused(path, public_key, AOT_ESIGNATURE, "is not signed");
    refused(scratch, public_key, AOT_EHOST, "regular file");
}

/* Another file that is signed rightly is still none of ours. */
static void signed_is_not_a_model(void)
{
    unsigned char signature[64];
    write_file(in(scratch, "text"), "text", 4);
    crypto_sign_detached(signature, NULL, (const unsigned char *)"text", 4, secret_key);
    write_file(in(scratch, "text.sig"), signature, 64);
    refused(in(scratch, "text"), public_key, AOT_EDATA, "not a shared object");
    crypto_sign_detached(signature, NULL, NULL, 0, secret_key);
    write_file(in(scratch, "empty"), "", 0);
    write_file(in(scratch, "empty.sig"), signature, 64);
    refused(in(scratch, "empty"), public_key, AOT_EDATA, "empty");
}

/* What the signature covers by a SHA-256 is copied too. */
static void side_files(void)
{
    static char million[1000000];
    aot_file *file;
    const char *path = signed_toy("toy_side.so");
    refused(path, public_key, AOT_EHOST, "No such file");
    write_file(in(scratch, "toy.abc"), "abd", 3);
    refused(path, public_key, AOT_EDATA, "SHA-256");
    write_file(in(scratch, "toy.abc"), "abc", 3);
    memset(million, 'a', sizeof million);
    write_file(in(scratch, "toy.million"), million, sizeof million);
    CHECK(aot_open_signed(path, NULL, public_key, &file, text, sizeof text) == AOT_OK);
    aot_session *session;
    CHECK(!aot_session_new(file, NULL, 1, &session));
    write_file(in(scratch, "toy.abc"), "xyz", 3);
    CHECK(!memcmp(aot_session_call(session)->segments[0], "abc", 3));
    aot_session_free(session);
    aot_close(file);
}

/* Descriptors are used again, the loader's names for them must not be. */
static void many_at_once(void)
{
    enum { MANY = 40 };
    aot_file *files[MANY];
    const char *path = signed_toy("toy.so");
    for (int i = 0; i < MANY; i++)
        CHECK(aot_open_signed(path, NULL, public_key, &files[i], text, sizeof text) == AOT_OK);
    path = signed_toy("toy_second.so");
    aot_file *second;
    CHECK(aot_open_signed(path, NULL, public_key, &second, text, sizeof text) == AOT_OK);
    CHECK_TEXT(aot_file_model(second)->name, "second");
    CHECK_TEXT(aot_file_model(files[MANY - 1])->name, "toy");
    runs(files[0]);
    aot_close(second);
    for (int i = 0; i < MANY; i++)
        aot_close(files[i]);
}

int main(int argc, char **argv)
{
    if (argc != 2 || sodium_init() < 0)
        return 2;
    folder = argv[1];
    snprintf(scratch, sizeof scratch, "%s/signature-XXXXXX", folder);
    CHECK(mkdtemp(scratch) != NULL);
    crypto_sign_keypair(public_key, secret_key);
    crypto_sign_keypair(other_key, other_secret);
    RUN(known_answer);
    RUN(opens_what_is_signed);
    RUN(refuses_what_is_not);
    RUN(signed_is_not_a_model);
    RUN(side_files);
    RUN(many_at_once);
    char command[4096];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    CHECK(!system(command));
    return check_report();
}
