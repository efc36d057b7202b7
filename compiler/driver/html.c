/* SPDX-License-Identifier: MIT */
/* Pages of HTML: see html.h. */
#include "html.h"
#include <string.h>

static const char style[] =
    "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #ccc}h3{font-size:1em}"
    "table{border-collapse:collapse;margin:.5em 0}th,td{text-align:left;vertical-align:top;padding:.15em .8em .15em 0;"
    "border-bottom:1px solid #eee;overflow-wrap:anywhere}td.n,th.n{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}"
    "code,.c{font:12px/1.4 ui-monospace,monospace}.dim{color:#777}.scroll{overflow:auto;max-height:46em;"
    "border:1px solid #ddd}.bar{display:inline-block;height:.7em;background:#4a7ebb}"
    "svg text{font-family:sans-serif}summary{cursor:pointer}";

/* The bytes of the character at p; 0: it is no UTF-8. */
static size_t character(const unsigned char *p)
{
    size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool wrong = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
                 (*p == 0xf4 && p[1] > 0x8f) || (*p == 0xef && p[1] == 0xbf && p[2] > 0xbd); /* U+FFFE: not in XML */
    return wrong ? 0 : n;
}

void html_text(Text *t, const char *text)
{
    size_t n;
    for (const char *p = text; *p; p += n ? n : 1) {
        unsigned char c = (unsigned char)*p;
        n = character((const unsigned char *)p);
        const char *entity = c == '<'                        ? "&lt;"
                             : c == '>'                      ? "&gt;"
                             : c == '&'                      ? "&amp;"
                             : c == '"'                      ? "&quot;"
                             : c == '\''                     ? "&#39;"
                             : !n || (c < 32 && c != '\n') || c == 127 ? "?"
                                                             : NULL;
        if (entity)
            text_add(t, "%s", entity);
        else
            text_put(t, p, n);
    }
}

void html_short(Text *t, const char *text, size_t most)
{
    size_t n = strlen(text);
    if (n <= most) {
        html_text(t, text);
        return;
    }
    for (n = most; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--;
    html_text(t, job_copy(t->job, text, n));
    text_add(t, "…");
}

void html_open(Text *t, const char *title)
{
    text_add(t, "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
                "<title>");
    html_text(t, title);
    text_add(t, "</title>\n<style>%s</style></head>\n<body>\n<h1>", style);
    html_text(t, title);
    text_add(t, "</h1>\n");
}

void html_close(Text *t)
{
    text_add(t, "</body></html>\n");
}

void html_cell(Text *t, const char *text)
{
    text_add(t, "<td>");
    html_text(t, text);
    text_add(t, "</td>");
}

void html_pair(Text *t, const char *key, const char *value)
{
    if (!value)
        return;
    text_add(t, "<tr><th>%s</th>", key);
    html_cell(t, value);
    text_add(t, "</tr>\n");
}

const char *html_bytes(Job *job, double bytes)
{
    static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
    int unit = 0;
    for (; bytes >= 1000 && unit < 4; unit++)
        bytes /= 1000;
    return job_printf(job, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}
