/* SPDX-License-Identifier: MIT */
/* The page of a model: tables, and the chart of its memory.  See page.h. */
#include "page.h"
#include "../index/idx.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_METHODS = 20, MOST_PORTS = 200, MOST_KERNELS = 2000, MOST_BUFFERS = 4000, MOST_WEIGHTS = 2000 };
enum { MOST_EXPRESSION = 4000, USUAL_SIZE = 8, ABOUT = 200, LINE = 300 };

typedef struct Size {
    Sym name;
    int64_t value;
} Size;

typedef struct Page {
    Text *t;
    Job *job;
    const PageSizes *given;
    VEC(Size) sizes; /* of this method */
} Page;

const char *page_text(Job *job, const Json *object, const char *key)
{
    const Json *v = json_get(object, key);
    return json_is_string(v) ? json_string(job, v, key) : "";
}

/* A string, number or bool as text; NULL: another kind. */
static const char *scalar(Job *job, const Json *v)
{
    if (json_is_bool(v))
        return json_bool(job, v, "the note") ? "yes" : "no";
    if (json_is_number(v))
        return job_printf(job, "%.17g", json_double(job, v, "the note"));
    return json_is_string(v) ? json_string(job, v, "the note") : NULL;
}

static void left_out(Page *p, size_t all, size_t most, const char *what)
{
    if (all > most)
        text_add(p->t, "<p class=\"dim\">%zu more %s are left out.</p>\n", all - most, what);
}

/* ---- sizes --------------------------------------------------------------------------------------- */

static Size *size_of(Page *p, Sym name)
{
    for (size_t i = 0; i < p->sizes.n; i++)
        if (p->sizes.at[i].name == name)
            return &p->sizes.at[i];
    return NULL;
}

/* The value for the figures: as given, else a usual one that the range permits. */
static void add_size(Page *p, Sym name, int64_t min, int64_t max)
{
    int64_t value = USUAL_SIZE;
    if (size_of(p, name))
        return;
    value = value > max ? max : value;
    value = value < min ? min : value;
    for (size_t i = 0; i < p->given->count; i++) {
        size_t n = strlen(name);
        if (!strncmp(p->given->dims[i], name, n) && p->given->dims[i][n] == '=')
            value = strtoll(p->given->dims[i] + n + 1, NULL, 10);
    }
    *vec_push(p->job, &p->sizes) = (Size){ name, value };
}

static int64_t bound(Job *job, const Json *dim, const char *key, int64_t otherwise)
{
    const Json *v = json_get(dim, key);
    return json_is_number(v) ? json_int(job, v, "the note") : otherwise;
}

static bool is_name(const char *text)
{
    return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")];
}

static void find_sizes(Page *p, const Json *method)
{
    p->sizes.n = 0;
    for (const Json *port = json_first(json_get(method, "inputs")); port; port = json_next(port))
        for (const Json *d = json_first(json_get(port, "dims")); d; d = json_next(d)) {
            const char *name = page_text(p->job, d, "size");
            if (is_name(name) && p->sizes.n < MOST_PORTS)
                add_size(p, sym(p->job, name), bound(p->job, d, "min", 0), bound(p->job, d, "max", INT64_MAX));
        }
}

static const Idx *symbol(void *ctx, Sym name)
{
    return idx_sym(((Page *)ctx)->job, name, 0, INT64_MAX);
}

static bool value_of(void *ctx, Sym name, int64_t *out)
{
    Size *s = size_of(ctx, name);
    *out = s ? s->value : USUAL_SIZE;
    return true;
}

/* An expression over sizes; -1: it is none, or has no value. */
static int64_t number_of(Page *p, const Json *object, const char *key)
{
    const char *text = page_text(p->job, object, key);
    int64_t value = 0;
    if (!*text || strlen(text) > MOST_EXPRESSION)
        return -1;
    const Idx *x = idx_parse_in(p->job, &text, symbol, p);
    return x && !*text && idx_eval(x, value_of, p, &value) && value >= 0 ? value : -1;
}

/* ---- tables -------------------------------------------------------------------------------------- */

static void facts(Page *p, const Json *note)
{
    text_add(p->t, "<table>\n");
    for (const Json *v = json_first(note); v; v = json_next(v)) {
        Text row;
        const char *one = scalar(p->job, v), *key = json_key(v);
        text_init(&row, p->job);
        if (!strcmp(key, "methods") || !strcmp(key, "weights") || !strcmp(key, "format"))
            continue;
        for (const Json *c = one ? NULL : json_first(v); c && row.n < LINE; c = json_next(c)) {
            const char *part = scalar(p->job, c);
            if (part && json_is_object(v))
                text_add(&row, "%s%s: %s", row.n ? ", " : "", json_key(c), part);
            else if (part)
                text_add(&row, "%s%s", row.n ? ", " : "", part);
        }
        text_add(p->t, "<tr><th>");
        html_short(p->t, key, ABOUT);
        text_add(p->t, "</th><td>");
        html_short(p->t, one ? one : row.at, LINE);
        text_add(p->t, "</td></tr>\n");
    }
    text_add(p->t, "</table>\n");
}

static void port_row(Page *p, const char *kind, const Json *port)
{
    text_add(p->t, "<tr><td>%s</td><td>", kind);
    html_short(p->t, page_text(p->job, port, "name"), ABOUT);
    text_add(p->t, "</td><td class=\"c\">");
    if (json_get(port, "none")) {
        text_add(p->t, "None</td><td></td></tr>\n");
        return;
    }
    html_short(p->t, page_text(p->job, port, "dtype"), ABOUT);
    text_add(p->t, " [");
    for (const Json *d = json_first(json_get(port, "dims")); d; d = json_next(d)) {
        const char *size = scalar(p->job, json_is_object(d) ? json_get(d, "size") : d);
        text_add(p->t, d == json_first(json_get(port, "dims")) ? "" : ", ");
        html_short(p->t, size ? size : "?", ABOUT);
    }
    text_add(p->t, "]</td><td>");
    for (const Json *d = json_first(json_get(port, "dims")); d; d = json_next(d)) {
        const char *min = scalar(p->job, json_get(d, "min")), *max = scalar(p->job, json_get(d, "max"));
        if (!json_is_object(d))
            continue;
        html_short(p->t, page_text(p->job, d, "size"), ABOUT);
        text_add(p->t, " from ");
        html_text(p->t, min ? min : "0");
        text_add(p->t, max ? " to " : ", ");
        html_text(p->t, max ? max : "without bound");
        text_add(p->t, "; ");
    }
    const char *value = scalar(p->job, json_get(port, "value"));
    if (value)
        html_short(p->t, job_printf(p->job, "always %s ", value), ABOUT);
    text_add(p->t, "%s%s", json_get(port, "scalar") ? "a number " : "", json_get(port, "mutated") ? "is written " : "");
    html_short(p->t, page_text(p->job, port, "line"), LINE);
    text_add(p->t, "</td></tr>\n");
}

static void signature(Page *p, const Json *method)
{
    static const char *const keys[] = { "inputs", "outputs" }, *const kinds[] = { "input", "output" };
    text_add(p->t, "<h3>Signature</h3>\n<table>\n");
    for (int k = 0; k < 2; k++) {
        size_t n = 0;
        for (const Json *port = json_first(json_get(method, keys[k])); port && n < MOST_PORTS;
             port = json_next(port), n++)
            port_row(p, kinds[k], port);
    }
    text_add(p->t, "</table>\n");
    for (int k = 0; k < 2; k++)
        left_out(p, json_count(json_get(method, keys[k])), MOST_PORTS, keys[k]);
    for (size_t i = 0; i < p->sizes.n; i++) {
        text_add(p->t, i ? ", " : "<p>Figures are for ");
        html_short(p->t, p->sizes.at[i].name, ABOUT);
        text_add(p->t, " = %" PRId64 "%s", p->sizes.at[i].value,
                 i + 1 < p->sizes.n ? "" : "; --dim gives others.</p>\n");
    }
}

static void count_cell(Page *p, int64_t value)
{
    if (value < 0)
        text_add(p->t, "<td></td>");
    else
        text_add(p->t, "<td class=\"n\">%s</td>", html_bytes(p->job, (double)value));
}

static void kernel_row(Page *p, const Json *k, size_t number)
{
    int64_t flops = number_of(p, k, "flops");
    text_add(p->t, "<tr><td class=\"n\">k%zu</td><td><b>", number);
    html_short(p->t, page_text(p->job, k, "name"), ABOUT);
    text_add(p->t, "</b> ");
    html_short(p->t, page_text(p->job, k, "about"), ABOUT);
    text_add(p->t, "<br/><span class=\"c dim\">");
    html_short(p->t, page_text(p->job, k, "line"), LINE);
    text_add(p->t, flops < 0 ? "</span></td><td></td>" : "</span></td><td class=\"n\">%.3f</td>", (double)flops * 1e-6);
    count_cell(p, number_of(p, k, "bytes"));
    text_add(p->t, "</tr>\n");
}

static void kernels(Page *p, const Json *method)
{
    const Json *list = json_get(method, "kernels");
    size_t n = 0;
    text_add(p->t,
             "<h3>Kernels</h3>\n<div class=\"scroll\"><table>\n<tr><th></th><th>kernel, and where it comes from</th>"
             "<th class=\"n\">operations, in millions</th><th class=\"n\">reads and writes</th></tr>\n");
    for (const Json *k = json_first(list); k && n < MOST_KERNELS; k = json_next(k))
        kernel_row(p, k, n++);
    text_add(p->t, "</table></div>\n");
    left_out(p, json_count(list), MOST_KERNELS, "kernels");
}

static void weights(Page *p, const Json *note)
{
    const Json *list = json_get(note, "weights");
    int64_t all = 0;
    size_t n = 0;
    if (!json_count(list))
        return;
    for (const Json *w = json_first(list); w; w = json_next(w))
        all += bound(p->job, w, "bytes", 0) / 1024;
    text_add(p->t, "<h2>Weights</h2>\n<div class=\"scroll\"><table>\n<tr><th>name</th><th class=\"n\">at</th>"
                   "<th class=\"n\">bytes</th><th></th></tr>\n");
    for (const Json *w = json_first(list); w && n < MOST_WEIGHTS; w = json_next(w), n++) {
        int64_t bytes = bound(p->job, w, "bytes", 0);
        double part = all > 0 ? (double)bytes / 1024 / (double)all : 0;
        text_add(p->t, "<tr><td>");
        html_short(p->t, page_text(p->job, w, "name"), ABOUT);
        text_add(p->t,
                 "</td><td class=\"n\">%" PRId64 "</td><td class=\"n\">%" PRId64 "</td>"
                 "<td><span class=\"bar\" style=\"width:%.2fem\"></span></td></tr>\n",
                 bound(p->job, w, "at", 0), bytes, part > 0 && part <= 1 ? 20 * part : 0);
    }
    text_add(p->t, "</table></div>\n");
    left_out(p, json_count(list), MOST_WEIGHTS, "weights");
}

/* ---- memory -------------------------------------------------------------------------------------- */

enum { WIDE = 900, HIGH = 320 };

/* A buffer as a box: from its first to its last step, at its place. */
static bool buffer_box(Page *p, const Json *b, double steps, double workspace)
{
    int64_t at = number_of(p, b, "at"), bytes = number_of(p, b, "bytes");
    int64_t first = bound(p->job, b, "first", 0), last = bound(p->job, b, "last", 0);
    if (at < 0 || bytes < 0 || first < 0 || last < first || (double)last >= steps ||
        (double)at + (double)bytes > workspace)
        return false;
    unsigned hue = 0;
    for (const char *c = page_text(p->job, b, "name"); *c; c++)
        hue = hue * 31 + (unsigned char)*c;
    text_add(p->t,
             "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"hsl(%u,55%%,68%%)\" stroke=\"#555\" "
             "stroke-width=\".4\"><title>",
             (double)first / steps * WIDE, (double)at / workspace * HIGH, (double)(last - first + 1) / steps * WIDE,
             (double)bytes / workspace * HIGH, hue % 360);
    html_short(p->t, page_text(p->job, b, "name"), ABOUT);
    text_add(p->t, ": %s at %" PRId64 ", steps %" PRId64 " to %" PRId64 "</title></rect>\n",
             html_bytes(p->job, (double)bytes), at, first, last);
    return true;
}

static void memory(Page *p, const Json *method)
{
    const Json *list = json_get(method, "buffers");
    double workspace = (double)number_of(p, method, "workspace");
    double steps = (double)bound(p->job, method, "steps", 0);
    size_t n = 0, drawn = 0;
    if (!(workspace > 0 && steps > 0))
        return;
    text_add(
        p->t,
        "<h3>Work memory</h3>\n<p>%s on one thread. Each box is a buffer: across, the steps from its first to its last "
        "use; down, its place.</p>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"100%%\" "
        "role=\"img\">\n<rect width=\"%d\" height=\"%d\" fill=\"#f6f6f6\"/>\n",
        html_bytes(p->job, workspace), WIDE, HIGH, WIDE, HIGH);
    for (const Json *b = json_first(list); b && n < MOST_BUFFERS; b = json_next(b), n++)
        drawn += buffer_box(p, b, steps, workspace);
    text_add(p->t, "</svg>\n");
    if (n > drawn)
        text_add(p->t, "<p class=\"dim\">%zu buffers whose size only the run knows have no place.</p>\n", n - drawn);
    left_out(p, json_count(list), MOST_BUFFERS, "buffers");
}

/* ---- the whole ------------------------------------------------------------------------------------- */

void page_model(Text *t, const char *title, const char *about, const Json *note, const PageSizes *given)
{
    Page p = { .t = t, .job = t->job, .given = given };
    const Json *methods = json_get(note, "methods");
    size_t n = 0;
    text_add(t, "<h2>");
    html_text(t, title);
    text_add(t, "</h2>\n<p>");
    html_text(t, about);
    text_add(t, "</p>\n");
    facts(&p, note);
    for (const Json *m = json_first(methods); m && n < MOST_METHODS; m = json_next(m), n++) {
        text_add(t, "<h2>Method ");
        html_short(t, page_text(p.job, m, "name"), ABOUT);
        text_add(t, "</h2>\n");
        find_sizes(&p, m);
        signature(&p, m);
        page_graph(t, m);
        kernels(&p, m);
        memory(&p, m);
    }
    left_out(&p, json_count(methods), MOST_METHODS, "methods");
    weights(&p, note);
}
