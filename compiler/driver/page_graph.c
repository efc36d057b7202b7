/* SPDX-License-Identifier: MIT */
/* The kernels of a method as a graph: who reads what another has written.  A large one is drawn by its modules, each
 * of them one box, so that the picture stays small enough to be looked at. */
#include "dot.h"
#include "page.h"
#include <string.h>

enum { MOST_KERNELS = 5000, MOST_BOXES = 160, MOST_WRITERS = 4, MOST_EDGES = 20000, LABEL = 60, DEEPEST = 8 };

/* A box of the picture: a kernel, all of a module, an input or an output. */
typedef struct Box {
    Sym name;
    const char *about;
    size_t kernels, first;
    enum { BOX_KERNEL, BOX_INPUT, BOX_OUTPUT } kind;
    bool contracts;
} Box;

typedef struct Memory { /* a buffer, and the boxes that have written it last */
    Sym name;
    size_t writer[MOST_WRITERS], writers;
    bool work, input;
} Memory;

typedef struct Edge {
    size_t from, to;
} Edge;

typedef struct Picture {
    Job *job;
    VEC(Box) boxes;
    VEC(Memory) memories;
    VEC(Edge) edges;
    size_t kernels, last; /* last: the box of the kernel before */
    int depth;            /* of modules; DEEPEST: a box is a kernel */
    Memory **table;
    size_t room;
} Picture;

/* ---- names --------------------------------------------------------------------------------------- */

/* The first components of a module's path; "" when it has none. */
static Sym module_of(Picture *p, const Json *kernel)
{
    const char *path = page_text(p->job, kernel, "module"), *end = path;
    for (int d = 0; *end; end++)
        if (*end == '.' && ++d == p->depth)
            break;
    return sym_n(p->job, path, (size_t)(end - path));
}

/* Kernels of one module are one box; those without module, and all beyond a number, belong to the box before. */
static size_t box_of(Picture *p, const Json *kernel, size_t number)
{
    bool all = p->depth == DEEPEST;
    Sym name = all ? sym(p->job, page_text(p->job, kernel, "name")) : module_of(p, kernel);
    if (!all && number && (!*name || p->boxes.n > 2 * MOST_BOXES))
        return p->last;
    for (size_t i = 0; i < p->boxes.n && !all; i++)
        if (p->boxes.at[i].name == name && p->boxes.at[i].kind == BOX_KERNEL)
            return p->last = i;
    *vec_push(p->job, &p->boxes) =
        (Box){ .name = name, .first = number, .about = all ? page_text(p->job, kernel, "about") : "" };
    return p->last = p->boxes.n - 1;
}

/* By the address of an interned name. */
static Memory *memory_of(Picture *p, const char *text)
{
    Sym name = sym(p->job, text);
    size_t i = (uintptr_t)name / 16 * 11400714819323198485u % p->room;
    while (p->table[i] && p->table[i]->name != name)
        i = (i + 1) % p->room;
    if (!p->table[i]) {
        p->table[i] = job_alloc(p->job, sizeof(Memory));
        p->table[i]->name = name;
    }
    return p->table[i];
}

/* ---- the graph ------------------------------------------------------------------------------------ */

static void link(Picture *p, size_t from, size_t to)
{
    if (from == to || p->edges.n == MOST_EDGES)
        return;
    for (size_t i = p->edges.n; i-- > 0 && p->edges.n - i < 64;) /* near enough: doubles only cost time */
        if (p->edges.at[i].from == from && p->edges.at[i].to == to)
            return;
    *vec_push(p->job, &p->edges) = (Edge){ from, to };
}

static void reads(Picture *p, const Json *kernel, size_t box)
{
    for (const Json *r = json_first(json_get(kernel, "reads")); r; r = json_next(r)) {
        if (!json_is_string(r))
            continue;
        Memory *m = memory_of(p, json_string(p->job, r, "reads"));
        if (m->input && !m->writers) {
            *vec_push(p->job, &p->boxes) = (Box){ .name = m->name, .about = "", .kind = BOX_INPUT };
            m->writer[m->writers++] = p->boxes.n - 1;
        }
        for (size_t i = 0; i < m->writers; i++)
            link(p, m->writer[i], box);
    }
}

static void writes(Picture *p, const Json *kernel, size_t box)
{
    for (const Json *w = json_first(json_get(kernel, "writes")); w; w = json_next(w)) {
        if (!json_is_string(w))
            continue;
        Memory *m = memory_of(p, json_string(p->job, w, "writes"));
        bool known = false;
        for (size_t i = 0; i < m->writers; i++)
            known |= m->writer[i] == box;
        if (!known && m->writers == MOST_WRITERS)
            memmove(m->writer, m->writer + 1, (MOST_WRITERS - 1) * sizeof *m->writer);
        if (!known)
            m->writer[m->writers == MOST_WRITERS ? MOST_WRITERS - 1 : m->writers++] = box;
    }
}

/* Memory that is no work buffer and gets written goes to the host. */
static void outputs(Picture *p)
{
    for (size_t i = 0; i < p->room; i++) {
        const Memory *m = p->table[i];
        if (!m || m->work || !m->writers || p->boxes.at[m->writer[0]].kind == BOX_INPUT)
            continue;
        *vec_push(p->job, &p->boxes) = (Box){ .name = m->name, .about = "", .kind = BOX_OUTPUT };
        for (size_t k = 0; k < m->writers; k++)
            link(p, m->writer[k], p->boxes.n - 1);
    }
}

static size_t modules(Picture *p, const Json *method)
{
    size_t n = 0;
    p->boxes.n = 0;
    for (const Json *k = json_first(json_get(method, "kernels")); k && n < MOST_KERNELS && p->boxes.n <= MOST_BOXES;
         k = json_next(k))
        box_of(p, k, n++);
    return p->boxes.n;
}

static void build(Picture *p, const Json *method)
{
    const Json *list = json_get(method, "kernels");
    size_t n = 0;
    p->depth = DEEPEST;
    while (p->depth > 1 && modules(p, method) > MOST_BOXES)
        p->depth--;
    p->boxes.n = 0;
    p->room = 8 * MOST_KERNELS + 1;
    p->table = job_array(p->job, p->room, sizeof *p->table);
    for (const Json *b = json_first(json_get(method, "buffers")); b && n < MOST_KERNELS; b = json_next(b), n++)
        memory_of(p, page_text(p->job, b, "name"))->work = true;
    n = 0;
    for (const Json *i = json_first(json_get(method, "inputs")); i && n < MOST_KERNELS; i = json_next(i), n++)
        memory_of(p, page_text(p->job, i, "name"))->input = true;
    for (const Json *k = json_first(list); k && p->kernels < MOST_KERNELS; k = json_next(k)) {
        size_t box = box_of(p, k, p->kernels);
        p->boxes.at[box].kernels++;
        p->boxes.at[box].contracts |= json_get(k, "flops") != NULL;
        reads(p, k, box);
        writes(p, k, box);
        p->kernels++;
    }
    outputs(p);
}

/* ---- the picture ----------------------------------------------------------------------------------- */

/* The first bytes of a text, cut between characters. */
static const char *cut(Job *job, const char *text)
{
    size_t n = strlen(text);
    if (n <= LABEL)
        return text;
    for (n = LABEL; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--;
    return job_printf(job, "%.*s…", (int)n, text);
}

static const char *label(const Picture *p, const Box *b)
{
    const char *name = cut(p->job, b->name), *about = cut(p->job, b->about);
    if (b->kind != BOX_KERNEL)
        return name;
    if (p->depth == DEEPEST)
        return job_printf(p->job, "k%zu %s%s%s", b->first, name, *about ? "\n" : "", about);
    return job_printf(p->job, "%s\n%zu kernel%s", *name ? name : "(no module)", b->kernels, b->kernels == 1 ? "" : "s");
}

static const char *dot_text(const Picture *p)
{
    static const char *const shapes[] = { "box", "ellipse", "ellipse" };
    Text t;
    text_init(&t, p->job);
    text_add(&t, "digraph model {\nnode [style=filled, fillcolor=\"#f4f4f4\", fontname=\"sans-serif\", fontsize=10]\n"
                 "edge [color=\"#888888\", arrowsize=0.6]\n");
    for (size_t i = 0; i < p->boxes.n; i++) {
        const Box *b = &p->boxes.at[i];
        text_add(&t, "n%zu [shape=%s, ", i, shapes[b->kind]);
        text_add(&t, "fillcolor=\"%s\", label=", b->kind ? "#fff3d0" : b->contracts ? "#d8e6f5" : "#f4f4f4");
        dot_string(&t, label(p, b));
        text_add(&t, "]\n");
    }
    for (size_t i = 0; i < p->edges.n; i++)
        text_add(&t, "n%zu -> n%zu\n", p->edges.at[i].from, p->edges.at[i].to);
    text_add(&t, "}\n");
    return t.at;
}

static void as_list(Text *t, const Picture *p)
{
    text_add(t, "<p class=\"dim\">Graphviz (dot) is not installed, or did not draw it: the graph as a list.</p>\n"
                "<div class=\"scroll\"><table>\n<tr><th>box</th><th>reads from</th></tr>\n");
    for (size_t i = 0; i < p->boxes.n; i++) {
        bool any = false;
        if (p->boxes.at[i].kind == BOX_INPUT)
            continue;
        text_add(t, "<tr><td>");
        html_text(t, label(p, &p->boxes.at[i]));
        text_add(t, "</td><td>");
        for (size_t k = 0; k < p->edges.n; k++)
            if (p->edges.at[k].to == i) {
                text_add(t, any ? ", " : "");
                html_text(t, cut(p->job, p->boxes.at[p->edges.at[k].from].name));
                any = true;
            }
        text_add(t, "</td></tr>\n");
    }
    text_add(t, "</table></div>\n");
}

void page_graph(Text *t, const Json *method)
{
    Picture p = { .job = t->job };
    size_t all = json_count(json_get(method, "kernels"));
    build(&p, method);
    const char *picture = dot_picture(t->job, dot_text(&p));
    text_add(t, "<h3>Graph</h3>\n");
    if (p.depth < DEEPEST)
        text_add(t, "<p>%zu kernels, drawn by module: a box is all kernels of one.</p>\n", p.kernels);
    else
        text_add(t, "<p>Each box is a kernel; blue ones hold multiply-adds.</p>\n");
    if (picture)
        text_add(t, "<div class=\"scroll\">%s</div>\n", picture);
    else
        as_list(t, &p);
    if (all > p.kernels)
        text_add(t, "<p class=\"dim\">%zu more kernels are left out.</p>\n", all - p.kernels);
}
