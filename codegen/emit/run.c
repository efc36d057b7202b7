/* SPDX-License-Identifier: MIT */
/* A method's plan and run: buffers as local pointers, calls of kernels, loops, branches, sizes found on the way. */
#include "method.h"
#include <inttypes.h>
#include <string.h>

void emit_plan(Emit *e)
{
    size_t outputs = e->p->g->outputs.n;
    text_add(e->out,
             "static aot_status %s_plan(aot_call *call)\n{\n    %s_need need = { .work = 0 };\n"
             "    aot_status status = %s_bind(call, &need);\n    if (status != AOT_OK)\n        return status;\n",
             e->m, e->m, e->m);
    if (outputs)
        text_add(e->out,
                 "    for (i64 i = 0; i < %zu; i++)\n        call->output_bytes[i] = need.output[i];\n", outputs);
    text_add(e->out, "    call->needed_workspace = need.work;\n    return AOT_OK;\n}\n\n");
}

/* ---- buffers as local pointers of run --------------------------------------------------------------------- */

static const char *variable_name(void *ctx, Sym var)
{
    Emit *e = ctx;
    for (size_t i = 0; i < e->locals.n; i++)
        if (!e->locals.at[i].b && e->locals.at[i].var == var)
            return e->locals.at[i].name;
    return var;
}

static void new_local(Emit *e, const Buffer *b, Sym var)
{
    const char *plain = c_name(e->a->job, b ? b->name : var);
    Sym name = sym(e->a->job, plain);
    for (int k = 2; k < 1000000; k++) { /* two regions may use one name */
        bool taken = false;
        for (size_t i = 0; i < e->locals.n; i++)
            taken |= e->locals.at[i].name == name;
        for (size_t i = 0; i < e->p->g->symbols.n; i++)
            taken |= e->p->g->symbols.at[i]->sym == name;
        if (!taken && strcmp(name, "need") && strcmp(name, "room"))
            break;
        name = sym_printf(e->a->job, "%s_%d", plain, k);
    }
    *vec_push(e->a->job, &e->locals) = (Local){ b, var, name, false };
}

static Local *find_local(Emit *e, const Buffer *b)
{
    for (size_t i = 0; i < e->locals.n; i++)
        if (e->locals.at[i].b == b)
            return &e->locals.at[i];
    return NULL;
}

static Local *see_buffer(Emit *e, const Buffer *b)
{
    if (!find_local(e, b))
        new_local(e, b, NULL);
    return find_local(e, b);
}

static void see_items(Emit *e, const Items *items);

static void see_carried(Emit *e, const Loop *loop)
{
    for (size_t i = 0; i < loop->carried.n; i++) {
        see_buffer(e, loop->carried.at[i].now)->moves = true;
        see_buffer(e, loop->carried.at[i].next)->moves = true;
    }
}

static void see_loop(Emit *e, const Loop *loop)
{
    if (loop->var)
        new_local(e, NULL, loop->var);
    see_items(e, &loop->test);
    see_items(e, &loop->body);
    if (loop->condition)
        see_buffer(e, loop->condition);
    for (size_t i = loop->parts.n; i-- > 0;)
        if (find_local(e, loop->parts.at[i])) /* else nothing in the body uses it */
            see_buffer(e, loop->parts.at[i]->whole);
    see_carried(e, loop);
}

static void see_items(Emit *e, const Items *items)
{
    for (const Item *i = items->first; i; i = i->next) {
        for (size_t k = 0; i->kernel && k < i->kernel->reads.n; k++)
            see_buffer(e, i->kernel->reads.at[k]);
        for (size_t k = 0; i->kernel && k < i->kernel->writes.n; k++)
            see_buffer(e, i->kernel->writes.at[k]);
        if (i->condition)
            see_buffer(e, i->condition);
        if (i->found)
            see_buffer(e, i->found);
        if (i->loop)
            see_loop(e, i->loop);
        for (const Item *k = i->together.first; k; k = k->next)
            see_carried(e, k->loop);
        see_items(e, &i->then);
        see_items(e, &i->otherwise);
    }
}

static Sym local_name(Emit *e, const Buffer *b)
{
    const Local *l = find_local(e, b);
    if (!l)
        bug("buffer %s has no pointer", b->name);
    return l->name;
}

bool buffer_is_late(const Buffer *b)
{
    bool late = b->kind == BUFFER_WORK && !b->at;
    for (int d = 0; b->kind == BUFFER_OUTPUT && d < b->rank; d++)
        late |= idx_is_late(b->dim[d]);
    return late;
}

/* The number of a carried buffer among those of loops that run together. */
static int moved_at(const Items *loops, const Buffer *b)
{
    int at = 0;
    for (const Item *i = loops->first; i; i = i->next)
        for (size_t k = 0; k < i->loop->carried.n; k++, at += 2)
            if (i->loop->carried.at[k].now == b || i->loop->carried.at[k].next == b)
                return at + (i->loop->carried.at[k].next == b);
    bug("loops that run together do not carry %s", b->name);
}

static void local_pointer(Emit *e, const Local *l, int depth)
{
    const Buffer *b = l->b, *root = b;
    while (root->kind == BUFFER_PART)
        root = root->whole;
    if (buffer_is_late(b)) {
        text_add(e->out, "%*s%s *%s = 0; /* when its size is known */\n", 4 * depth, "", buffer_c_type(b), l->name);
        return;
    }
    if (l->moves && e->moved) {
        text_add(e->out, "%*s%s *%s = a->moved[%d];\n", 4 * depth, "", buffer_c_type(b), l->name, moved_at(e->moved, b));
        return;
    }
    bool constant = root->kind == BUFFER_CONST || (root->kind == BUFFER_INPUT && !e->p->g->inputs.at[root->port].mutated);
    text_add(e->out, "%*s%s%s *%s%s = ", 4 * depth, "", constant ? "const " : "", buffer_c_type(b),
             l->moves ? "" : "const ", l->name);
    switch (b->kind) {
    case BUFFER_INPUT: text_add(e->out, "call->inputs[%u].data;\n", b->port); break;
    case BUFFER_OUTPUT: text_add(e->out, "call->outputs[%u].data;\n", b->port); break;
    case BUFFER_CONST: text_add(e->out, "(const void *)(aot_weights + %" PRIu64 ");\n", b->weight); break;
    case BUFFER_STATE: text_add(e->out, "(void *)((char *)call->state + %" PRIu64 ");\n", b->weight); break;
    case BUFFER_WORK:
        text_add(e->out, "(void *)(work + ");
        idx_print_c(e->out, b->at, true, NULL, NULL);
        text_add(e->out, ");\n");
        break;
    case BUFFER_PART:
        text_add(e->out, "%s + ", local_name(e, b->whole));
        idx_print_c(e->out, b->start, true, variable_name, e);
        text_add(e->out, ";\n");
        break;
    }
}

/* The parts that are the same in all of the run: what they are part of has a pointer, too. */
static void see_fixed(Emit *e)
{
    for (size_t i = e->p->fixed.n; i-- > 0;)
        if (find_local(e, e->p->fixed.at[i]))
            see_buffer(e, e->p->fixed.at[i]->whole);
}

static void pointers(Emit *e)
{
    for (size_t i = 0; i < e->locals.n; i++)
        if (e->locals.at[i].b && e->locals.at[i].b->kind != BUFFER_PART)
            local_pointer(e, &e->locals.at[i], 1);
    for (size_t i = 0; i < e->p->fixed.n; i++)
        if (find_local(e, e->p->fixed.at[i]))
            local_pointer(e, find_local(e, e->p->fixed.at[i]), 1);
}

/* What pointers are made from: `call` and `need` are there. */
static void surroundings(Emit *e)
{
    const Graph *g = e->p->g;
    bool work = false;
    for (size_t i = 0; i < e->p->works.n; i++)
        work |= e->p->works.at[i]->at != NULL;
    if (e->a->weights_file)
        text_add(e->out, "    const u8 *const aot_weights = (const u8 *)call->segments[0] + AOT_WEIGHTS_HEADER;\n"
                         "    (void)aot_weights;\n");
    for (size_t i = 0; i < g->symbols.n; i++)
        if (!g->symbols.at[i]->late)
            text_add(e->out, "    const i64 %s = need.%s;\n    (void)%s;\n", g->symbols.at[i]->sym, g->symbols.at[i]->sym,
                     g->symbols.at[i]->sym);
    if (work)
        text_add(e->out, "    char *const work = call->workspace;\n");
}

/* Breaks a list of words at 110 columns. */
static void wrapped(Emit *e, const char *word, bool first, int depth)
{
    size_t start = e->out->n;
    while (start && e->out->at[start - 1] != '\n')
        start--;
    text_add(e->out, first ? "" : ",");
    if (e->out->n - start + strlen(word) > 110)
        text_add(e->out, "\n%*s", 4 * depth + 4, "");
    else if (!first)
        text_add(e->out, " ");
    text_add(e->out, "%s", word);
}

static int kernel_number(const Program *p, const Kernel *k)
{
    for (size_t i = 0; i < p->kernels.n; i++)
        if (p->kernels.at[i] == k)
            return (int)i;
    bug("kernel %s is not in its program", k->name);
}

/* Work as a number of tasks that are worth it. */
static void in_tasks(Emit *e, const Idx *work)
{
    int64_t known;
    if (idx_is_const(work, &known)) {
        text_add(e->out, "%" PRId64, known / SPLIT_WORK);
        return;
    }
    text_add(e->out, "(");
    emit_idx(e, work);
    text_add(e->out, ") / %d", SPLIT_WORK);
}

static void kernel_call(Emit *e, const Item *item, int depth)
{
    const Kernel *k = item->kernel;
    const Graph *g = e->p->g;
    bool *used = job_array(e->a->job, g->symbols.n + 1, sizeof *used), first = true;
    int number = kernel_number(e->p, k), n = e->twins[number];
    const char *name = kernel_c_name(e->a->job, e->m, e->p->kernels.at[n], n);
    text_add(e->out, "%*sAOT_STEP(%d, ", 4 * depth, "", number);
    if (k->splits) {
        text_add(e->out, "aot_parallel(call, ");
        in_tasks(e, k->work);
        text_add(e->out, ", %s_task,\n%*s&(%s_args){ 0", name, 4 * depth + 4, "", name);
        first = false;
    } else {
        text_add(e->out, "%s%s(", k->checks ? "status = " : "", name);
    }
    if (k->checks) {
        wrapped(e, "call", true, depth);
        first = false;
    }
    for (int w = 0; w < 2; w++)
        for (size_t i = 0; i < (w ? k->writes.n : k->reads.n); i++, first = false)
            wrapped(e, local_name(e, w ? k->writes.at[i] : k->reads.at[i]), first, depth);
    kernel_symbols(e->p, k, used);
    for (size_t i = 0; i < g->symbols.n; i++)
        if (used[i]) {
            wrapped(e, g->symbols.at[i]->sym, first, depth);
            first = false;
        }
    if (k->features)
        wrapped(e, "aot_features(call)", first, depth);
    text_add(e->out, "%s)); /* step %d */\n", k->splits ? " }" : "", item->position);
    if (k->checks)
        text_add(e->out, "%*sif (status != AOT_OK)\n%*sreturn status;\n", 4 * depth, "", 4 * depth + 4, "");
}

static void items(Emit *e, const Items *list, int depth);

static void loop(Emit *e, const Item *item, int depth)
{
    const Loop *l = item->loop;
    int in = 4 * depth + 4;
    size_t known = e->known.n; /* a size found in an iteration is known there */
    if (l->var) {
        const char *v = variable_name(e, l->var);
        idx_symbols(l->extent, size_must_be_bound, e);
        text_add(e->out, "%*sfor (i64 %s = 0; %s < ", 4 * depth, "", v, v);
        idx_print_c(e->out, l->extent, false, variable_name, e);
        text_add(e->out, "; %s++) { /* step %d */\n", v, item->position);
    } else {
        text_add(e->out, "%*sfor (;;) { /* step %d */\n", 4 * depth, "", item->position);
        items(e, &l->test, depth + 1);
        text_add(e->out, "%*sif (!*%s)\n%*sbreak;\n", in, "", local_name(e, l->condition), in + 4, "");
    }
    for (size_t i = 0; i < l->parts.n; i++)
        if (find_local(e, l->parts.at[i]))
            local_pointer(e, find_local(e, l->parts.at[i]), depth + 1);
    items(e, &l->body, depth + 1);
    e->known.n = known;
    for (size_t i = 0; i < l->carried.n; i++) {
        Sym now = local_name(e, l->carried.at[i].now), next = local_name(e, l->carried.at[i].next);
        text_add(e->out, "%*s{ void *const aot_was = %s; %s = %s; %s = aot_was; }\n", in, "", now, now, next, next);
    }
    text_add(e->out, "%*s}\n", 4 * depth, "");
}

/* ---- loops that run together ---------------------------------------------------------------------------------- */

/* Name of the function that runs them, of which a method has one for each such place of its schedule. */
static const char *together_name(const Emit *e, const Item *item)
{
    return job_printf(e->a->job, "%s_together%d", e->m, item->position);
}

typedef struct Effort { /* in scalar operators */
    const Idx *all, *step; /* of all iterations; the most that one kernel does, hence can be shared */
} Effort;

static Effort effort(Job *job, const Items *items)
{
    Effort sum = { idx_const(job, 0), idx_const(job, 0) };
    for (const Item *i = items->first; i; i = i->next) {
        Effort own = i->kernel ? (Effort){ i->kernel->work, i->kernel->work } : effort(job, &i->loop->body);
        if (i->loop)
            own.all = idx_mul(job, own.all, i->loop->extent);
        sum.all = idx_add(job, sum.all, own.all);
        sum.step = idx_max(job, sum.step, own.step);
    }
    return sum;
}

/* Where the pointers that a loop carries have come to: from its function, or as that leaves them. */
static void carried_lines(Emit *e, const Items *loops, const Loop *loop, int in, bool leaves)
{
    for (size_t k = 0; k < 2 * loop->carried.n; k++) {
        const Carry *c = &loop->carried.at[k / 2];
        const Buffer *b = k % 2 ? c->next : c->now;
        if (leaves)
            text_add(e->out, "%*sa->moved[%d] = %s;\n", in, "", moved_at(loops, b), local_name(e, b));
        else
            text_add(e->out, "%*s%s = args.moved[%d];\n", in, "", local_name(e, b), moved_at(loops, b));
    }
}

static void together_call(Emit *e, const Item *item, int depth)
{
    const char *name = together_name(e, item);
    const Items *loops = &item->together;
    int in = 4 * depth, count = 0;
    bool any = false;
    Effort of = effort(e->a->job, loops);
    text_add(e->out, "%*s{ /* step %d */\n%*s    %s_args args = { 0, call, &need", in, "", item->position, in, "", name);
    for (const Item *i = loops->first; i; i = i->next, count++)
        for (size_t k = 0; k < 2 * i->loop->carried.n; k++, any = true) {
            const Carry *c = &i->loop->carried.at[k / 2];
            text_add(e->out, any ? "" : ", { ");
            wrapped(e, local_name(e, k % 2 ? c->next : c->now), !any, depth + 1);
        }
    text_add(e->out, "%s };\n%*s    aot_together(call, %d, ", any ? " }" : "", in, "", count);
    in_tasks(e, of.all);
    text_add(e->out, ", ");
    in_tasks(e, of.step);
    text_add(e->out, ", %s_task, &args);\n", name);
    for (const Item *i = loops->first; i; i = i->next)
        carried_lines(e, loops, i->loop, in + 4, false);
    text_add(e->out, "%*s}\n", in, "");
}

/* The function that runs loops together, each as a task, and its arguments: pointers that they carry come and go. */
static void together_function(Emit *e, const Item *item)
{
    const char *name = together_name(e, item);
    const Items *loops = &item->together;
    int moved = 0, number = 0;
    for (const Item *i = loops->first; i; i = i->next)
        moved += 2 * (int)i->loop->carried.n;
    text_add(e->out,
             "typedef struct %s_args {\n    i64 tasks;\n    const aot_call *call;\n    const %s_need *need;\n", name, e->m);
    if (moved)
        text_add(e->out, "    void *moved[%d];\n", moved);
    text_add(e->out, "} %s_args;\n\n/* Loops that need nothing of each other. */\n"
             "static void %s_task(void *args, int64_t task, int64_t worker)\n{\n    %s_args *const a = args;\n"
             "    const %s_need need = *a->need;\n    const aot_call own = aot_share(a->call, a->tasks);\n"
             "    const aot_call *const call = &own;\n    (void)need;\n    (void)worker;\n", name, name, name, e->m);
    e->locals.n = 0;
    e->moved = loops;
    see_items(e, loops);
    see_fixed(e);
    surroundings(e);
    pointers(e);
    for (const Item *i = loops->first; i; i = i->next, number++) {
        text_add(e->out, "    if (%d %% a->tasks == task) {\n", number);
        loop(e, i, 2);
        carried_lines(e, loops, i->loop, 8, true);
        text_add(e->out, "    }\n");
    }
    text_add(e->out, "}\n\n");
    e->locals.n = 0;
    e->moved = NULL;
}

/* The functions of all such places. */
static void emit_together(Emit *e, const Items *list)
{
    for (const Item *i = list->first; i; i = i->next) {
        if (i->together.first)
            together_function(e, i);
        if (i->loop)
            emit_together(e, &i->loop->body);
        emit_together(e, &i->then);
        emit_together(e, &i->otherwise);
    }
}

static bool sizes_a_late_buffer(Emit *e, const Idx *symbol)
{
    bool any = false;
    for (size_t i = 0; i < e->p->works.n + e->p->outputs.n; i++) {
        const Buffer *b = i < e->p->works.n ? e->p->works.at[i] : e->p->outputs.at[i - e->p->works.n];
        for (int d = 0; b && buffer_is_late(b) && d < b->rank; d++)
            any |= idx_uses(b->dim[d], symbol);
    }
    return any;
}

/* Memory for a buffer whose sizes are known now. */
static void late_memory(Emit *e, const Buffer *b, int depth)
{
    int in = depth * 4;
    text_add(e->out, "%*s{\n%*sconst i64 sizes[] = { ", in, "", in + 4, "");
    for (int d = 0; d < b->rank; d++) {
        text_add(e->out, d ? ", " : "");
        emit_idx(e, b->dim[d]);
    }
    text_add(e->out, " };\n%*s", in + 4, "");
    int bytes = dtype_info[b->dtype].bytes;
    if (b->kind == BUFFER_OUTPUT) {
        text_add(e->out, "status = aot_late_output(call, %u, ", b->port);
        emit_string(e->out, job_printf(e->a->job, "output %s", e->p->g->outputs.at[b->port].name));
        text_add(e->out, ", sizes, %d, %d, ", b->rank, bytes);
    } else {
        text_add(e->out, "void *memory = 0;\n%*sstatus = aot_late_work(call, ", in + 4, "");
        emit_string(e->out, b->name);
        text_add(e->out, ", sizes, %d, %d, ", b->rank, bytes);
    }
    emit_idx(e, b->bytes);
    text_add(e->out, b->kind == BUFFER_OUTPUT ? ");\n" : ", &memory);\n");
    text_add(e->out, "%*sif (status != AOT_OK)\n%*sreturn status;\n", in + 4, "", in + 8, "");
    for (size_t i = 0; i < e->locals.n; i++)
        if (e->locals.at[i].b == b && b->kind == BUFFER_OUTPUT)
            text_add(e->out, "%*s%s = call->outputs[%u].data;\n", in + 4, "", e->locals.at[i].name, b->port);
        else if (e->locals.at[i].b == b)
            text_add(e->out, "%*s%s = memory;\n", in + 4, "", e->locals.at[i].name);
    text_add(e->out, "%*s}\n", in, "");
}

/* A size that the run has found: a symbol of its own, or one more relation between sizes. */
static void found_size(Emit *e, const Item *item, int depth)
{
    const Idx *s = item->size;
    size_t before = e->known.n;
    int in = depth * 4;
    Sym found = local_name(e, item->found);
    if (s->late && !size_is_bound(e->known.at, before, s)) {
        const Idx *most = s->most ? s->most : idx_const(e->a->job, sizes_a_late_buffer(e, s) ? INT32_MAX : INT64_MAX);
        most = idx_min(e->a->job, most, idx_const(e->a->job, s->hi));
        text_add(e->out, "%*sconst i64 %s = *%s; /* step %d */\n%*sif (", in, "", s->sym, found, item->position, in, "");
        text_add(e->out, "%s < ", s->sym);
        emit_i64(e->out, s->lo);
        text_add(e->out, " || %s > ", s->sym);
        emit_idx(e, most);
        text_add(e->out, ")\n%*sreturn aot_bad_late(call, ", in + 4, "");
        emit_string(e->out, *item->about ? item->about : s->sym);
        text_add(e->out, ", \"%s\", %s, ", s->sym, s->sym);
        emit_i64(e->out, s->lo);
        text_add(e->out, ", ");
        emit_idx(e, most);
        *vec_push(e->a->job, &e->known) = s;
    } else {
        text_add(e->out, "%*sif (*%s != ", in, "", found);
        emit_idx(e, s);
        text_add(e->out, ") /* step %d */\n%*sreturn aot_bad_late(call, ", item->position, in + 4, "");
        emit_string(e->out, *item->about ? item->about : found);
        text_add(e->out, ", ");
        emit_string(e->out, idx_text(e->a->job, s));
        text_add(e->out, ", *%s, ", found);
        emit_idx(e, s);
        text_add(e->out, ", ");
        emit_idx(e, s);
    }
    text_add(e->out, ");\n");
    if (e->known.n == before)
        return;
    emit_guards(e, (ptrdiff_t)before, depth);
    for (size_t i = 0; i < e->p->works.n + e->p->outputs.n; i++) {
        const Buffer *b = i < e->p->works.n ? e->p->works.at[i] : e->p->outputs.at[i - e->p->works.n];
        bool first = false, known = b && buffer_is_late(b);
        for (int d = 0; known && d < b->rank; d++)
            known = size_is_known(e, b->dim[d], before, &first);
        if (known && first)
            late_memory(e, b, depth);
    }
}

static void items(Emit *e, const Items *list, int depth)
{
    for (const Item *i = list->first; i; i = i->next) {
        if (i->size) {
            found_size(e, i, depth);
            continue;
        }
        if (i->kernel) {
            kernel_call(e, i, depth);
            continue;
        }
        if (i->loop) {
            loop(e, i, depth);
            continue;
        }
        if (i->together.first) {
            together_call(e, i, depth);
            continue;
        }
        text_add(e->out, "%*sif (*", 4 * depth, "");
        text_add(e->out, "%s", local_name(e, i->condition));
        text_add(e->out, ") { /* step %d */\n", i->position);
        size_t known = e->known.n; /* a size found in a branch is known there */
        items(e, &i->then, depth + 1);
        e->known.n = known;
        text_add(e->out, "%*s} else {\n", 4 * depth, "");
        items(e, &i->otherwise, depth + 1);
        e->known.n = known;
        text_add(e->out, "%*s}\n", 4 * depth, "");
    }
}

void emit_run(Emit *e)
{
    const Graph *g = e->p->g;
    emit_together(e, &e->p->schedule);
    text_add(e->out,
             "static aot_status %s_run(aot_call *call)\n{\n    %s_need need = { .work = 0 };\n"
             "    aot_status status = %s_bind(call, &need);\n    if (status != AOT_OK)\n        return status;\n",
             e->m, e->m, e->m);
    text_add(e->out, g->outputs.n ? "    status = aot_check_room(call, %s_outs, %zu, need.output, need.work);\n"
                                  : "    status = aot_check_room(call, 0, 0, need.output, need.work);\n",
             e->m, g->outputs.n);
    if (e->p->states.n)
        text_add(e->out, "    if (status == AOT_OK && !call->state)\n        status = aot_no_state(call);\n");
    text_add(e->out, "    if (status != AOT_OK)\n        return status;\n");
    if (e->a->weights_file)
        text_add(e->out, "    if (!call->segments || !call->segments[0])\n        return aot_no_weights(call);\n");
    surroundings(e);
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].kind == PORT_NUMBER)
            text_add(e->out, "    *(i64 *)call->outputs[%zu].data = %s_out%zu_value;\n", i, e->m, i);
    see_items(e, &e->p->schedule);
    see_fixed(e);
    pointers(e);
    items(e, &e->p->schedule, 1);
    text_add(e->out, "    return AOT_OK;\n}\n\n");
}
