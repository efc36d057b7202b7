/* SPDX-License-Identifier: MIT */
/* Members of a zip file as bytes.  Internal to archive/.
 *
 * libzip reads the directory and inflates; stored members are used in place, from the mapping
 * of the file, when their local header says the same as the directory.  Whatever is handed out
 * has the length and the CRC that the directory declares.  Refused on opening: names that are
 * absolute, hold `..` or stand twice. */
#ifndef AOTC_ZIP_H
#define AOTC_ZIP_H
#include "../base/job.h"

typedef struct Zip Zip;
typedef struct ZipMember ZipMember;

/* The zip in these bytes, which must outlive the job.  `where` names it in messages.  `within`,
 * which may be NULL, is the zip it is a member of: both draw on one budget of inflated bytes. */
Zip *zip_read(Job *job, const char *where, const uint8_t *bytes, size_t size, Zip *within);

size_t zip_count(const Zip *zip);
const ZipMember *zip_at(const Zip *zip, size_t i); /* in the directory's order */
/* NULL: no member of that name. */
const ZipMember *zip_find(const Zip *zip, const char *name);
Sym zip_name(const ZipMember *member);
uint64_t zip_size(const ZipMember *member); /* as declared */
/* The bytes, read and verified on the first call and kept until the job ends. */
const uint8_t *zip_bytes(Zip *zip, const ZipMember *member);
/* "where:name" for messages. */
const char *zip_where(const Zip *zip, const ZipMember *member);
/* The first component of the first member's name with its slash, "model/"; "" when that has
 * none. */
Sym zip_root(const Zip *zip);

/* Maps a whole file for reading until the job ends; an empty file is no error. */
const uint8_t *map_file(Job *job, const char *path, size_t *size);
#endif
