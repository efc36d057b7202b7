/* SPDX-License-Identifier: MIT */
/* signature.c: Ed25519 signatures, by libsodium, and copies of files that nobody can change.
 *
 * libsodium is looked for when a signature is first asked for, not linked: its verifying function
 * pulls in the whole static library (five times the size of libaotrt), and most hosts never ask.
 */
#include "libaotrt.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIGNATURE_BYTES = 64 };

/* crypto_sign_verify_detached; it needs no sodium_init. */
typedef int Verify(const unsigned char *signature, const unsigned char *message,
                   unsigned long long bytes, const unsigned char *public_key);

/* ---- libsodium ----------------------------------------------------------------------------- */

static void *open_libsodium(void)
{
    static const char *const names[] = { "libsodium.so.23", "libsodium.so.26" };
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return library;
}

aot_status aot_check_signature(const void *data, uint64_t bytes, const uint8_t *signature,
                               const uint8_t *public_key, char *error, uint64_t error_bytes)
{
    Text text = { error, (size_t)error_bytes };
    Verify *verify = NULL;
    if ((!data && bytes) || !signature || !public_key)
        return aotrt_fail(text, AOT_EARG, "aot_check_signature: an argument is NULL");
    void *library = open_libsodium();
    void *symbol = library ? dlsym(library, "crypto_sign_verify_detached") : NULL;
    if (!symbol) {
        if (library)
            dlclose(library);
        return aotrt_fail(text, AOT_EHOST, "checking a signature needs libsodium (Debian: "
                          "libsodium23), which cannot be loaded");
    }
    memcpy(&verify, &symbol, sizeof verify);
    int bad = verify(signature, data ? data : (const void *)"", bytes, public_key);
    dlclose(library);
    if (bad)
        return aotrt_fail(text, AOT_ESIGNATURE, "the signature is not one of this key over these "
                          "bytes");
    return AOT_OK;
}

/* ---- Copies -------------------------------------------------------------------------------- */

aot_status aotrt_sealed_copy(int fd, const char *path, int *copy, Text error)
{
    enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };
    struct stat s;
    *copy = -1;
    if (fstat(fd, &s))
        return aotrt_fail(error, AOT_EHOST, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return aotrt_fail(error, AOT_EHOST, "%s: not a regular file", path);
    uint64_t rest = (uint64_t)s.st_size;
    *copy = memfd_create("aotc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    while (*copy >= 0 && rest) {
        ssize_t n = sendfile(*copy, fd, NULL, rest < INT_MAX ? (size_t)rest : INT_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0) /* the file was cut short meanwhile */
            errno = EIO;
        if (n <= 0)
            break;
        rest -= (uint64_t)n;
    }
    if (*copy >= 0 && !rest && !fcntl(*copy, F_ADD_SEALS, SEALS))
        return AOT_OK;
    aot_status status = aotrt_fail(error, AOT_EHOST, "%s: cannot be copied into memory: %s", path,
                                   strerror(errno));
    if (*copy >= 0)
        close(*copy);
    *copy = -1;
    return status;
}

/* Reads PATH.sig, which holds nothing but a signature. */
static aot_status read_signature(const char *path, uint8_t signature[SIGNATURE_BYTES], Text error)
{
    char name[PATH_MAX + 8];
    uint8_t found[SIGNATURE_BYTES + 1];
    size_t n = 0;
    snprintf(name, sizeof name, "%s.sig", path);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return aotrt_fail(error, AOT_ESIGNATURE, "%s: is not signed: %s: %s", path, name,
                          strerror(errno));
    for (ssize_t got; n < sizeof found; n += (size_t)got)
        if ((got = read(fd, found + n, sizeof found - n)) <= 0)
            break;
    close(fd);
    if (n != SIGNATURE_BYTES)
        return aotrt_fail(error, AOT_ESIGNATURE, "%s: is no signature; expected %d bytes", name,
                          SIGNATURE_BYTES);
    memcpy(signature, found, sizeof found - 1);
    return AOT_OK;
}

static aot_status check_copy(int fd, const char *path, const uint8_t *public_key, Text error)
{
    struct stat s;
    uint8_t signature[SIGNATURE_BYTES];
    char why[160] = "";
    aot_status status = read_signature(path, signature, error);
    if (status)
        return status;
    if (fstat(fd, &s) || !s.st_size)
        return aotrt_fail(error, AOT_EDATA, "%s: holds nothing", path);
    void *bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return aotrt_fail(error, AOT_EHOST, "%s: %s", path, strerror(errno));
    status = aot_check_signature(bytes, (uint64_t)s.st_size, signature, public_key, why, sizeof why);
    munmap(bytes, (size_t)s.st_size);
    return status ? aotrt_fail(error, status, "%s: %s", path, why) : AOT_OK;
}

aot_status aotrt_signed_copy(int fd, const char *path, const uint8_t *public_key, int *copy,
                             Text error)
{
    aot_status status = aotrt_sealed_copy(fd, path, copy, error);
    if (status)
        return status;
    status = check_copy(*copy, path, public_key, error);
    if (status)
        close(*copy);
    return status;
}
