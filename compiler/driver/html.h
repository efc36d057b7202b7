/* SPDX-License-Identifier: MIT */
/* Pages of HTML that need nothing but themselves: no network, no script.  They are well-formed XML, too.  What comes
 * from a model is text from anywhere and goes through html_text. */
#ifndef AOTC_HTML_H
#define AOTC_HTML_H
#include "../base/job.h"

void html_open(Text *t, const char *title);
void html_close(Text *t);
/* The text with <, >, & and quotes as entities, and without control characters: for elements and attributes. */
void html_text(Text *t, const char *text);
/* At most so many bytes of it, cut between characters, with an ellipsis. */
void html_short(Text *t, const char *text, size_t most);
/* <tr><th>KEY</th><td>VALUE</td></tr>; nothing when value is NULL. */
void html_pair(Text *t, const char *key, const char *value);
/* <td>TEXT</td> */
void html_cell(Text *t, const char *text);
/* "1.5 MB", "312 bytes" */
const char *html_bytes(Job *job, double bytes);
#endif
