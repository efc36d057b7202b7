/* SPDX-License-Identifier: MIT */
/* Signatures of Ed25519: FILE.sig holds 64 bytes, a signature over the bytes of FILE. Keys are PEM files, as OpenSSL
 * writes them too. */
#ifndef AOTC_SIGN_H
#define AOTC_SIGN_H
#include "../base/job.h"

enum { PUBLIC_KEY_BYTES = 32, SECRET_KEY_BYTES = 64, SIGNATURE_BYTES = 64 };

/* EXIT_INPUT when the file is none of that kind. */
void read_public_key(Job *job, const char *path, uint8_t key[PUBLIC_KEY_BYTES]);
void read_secret_key(Job *job, const char *path, uint8_t key[SECRET_KEY_BYTES]);
/* Writes PATH.sig. */
void write_signature(Job *job, const char *path, const void *bytes, size_t size, const uint8_t key[SECRET_KEY_BYTES]);
/* EXIT_INPUT when PATH.sig is no signature of the bytes by this key. */
void check_signature(Job *job, const char *path, const void *bytes, size_t size, const uint8_t key[PUBLIC_KEY_BYTES]);
#endif
