/* SPDX-License-Identifier: MIT */
/* JSON through cJSON, behind one strict scanning pass over the bytes that bounds size, depth and node count and saves
 * what cJSON would lose: integers of more than 15 digits and the bare NaN, Infinity, -Infinity that torch 2.5 and 2.6
 * write travel as marked strings; `\u0000`, duplicate keys, control characters, invalid UTF-8 and trailing bytes are
 * refused.  All accessors take a `where` for messages ("models/model.json"); the message adds what was expected. */
#ifndef AOTC_JSON_H
#define AOTC_JSON_H
#include "../base/job.h"

typedef struct cJSON Json;

/* Parses the whole text; EXIT_INPUT with the byte offset on any fault.  The tree is freed with the job. */
const Json *json_parse(Job *job, const char *where, const char *text, size_t length);

/* Look-ups.  json_get: member of an object, NULL when `object` is NULL, no object, has no such key, or it is null. */
const Json *json_get(const Json *object, const char *key);
/* The same, but absence is EXIT_INPUT. */
const Json *json_need(Job *job, const Json *object, const char *key, const char *where);
const Json *json_first(const Json *array_or_object); /* NULL: empty, NULL or neither array nor object */
const Json *json_next(const Json *element);
const char *json_key(const Json *member); /* of an object's member, or of a union's only member */
size_t json_count(const Json *array_or_object);

bool json_is_object(const Json *v);
bool json_is_array(const Json *v);
bool json_is_string(const Json *v); /* false for the marked strings above */
bool json_is_number(const Json *v); /* true for the marked strings above */
bool json_is_bool(const Json *v);

/* Values; the wrong kind is EXIT_INPUT.  json_int is exact over int64 (a fraction or more is an error);
 * json_double takes numbers and the strings "NaN", "Infinity", "-Infinity". */
int64_t json_int(Job *job, const Json *v, const char *where);
double json_double(Job *job, const Json *v, const char *where);
const char *json_string(Job *job, const Json *v, const char *where);
bool json_bool(Job *job, const Json *v, const char *where);
#endif
