/* SPDX-License-Identifier: MIT */
/* How a profile is shown: text, JSON, a page with the roofline. */
#include "html.h"
#include "profile.h"
#include <inttypes.h>
#include <math.h>

static double percent(const Profile *p, const Step *s)
{
    return p->sum > 0 ? 100 * s->median / p->sum : 0;
}

/* Steps are sorted: how many are worth a line. */
static size_t shown(const Profile *p)
{
    size_t n = 0;
    while (n < p->steps.n && (p->top ? (int64_t)n < p->top : p->steps.at[n].median >= 0.01 * p->sum))
        n++;
    return n;
}

static const char *peak_text(const Profile *p)
{
    Text t;
    text_init(&t, p->job);
    text_add(&t, "at most %.0f GFLOP/s in float32; reads", p->peak.flops * 1e-9);
    for (int i = 0; i < PEAK_SETS; i++)
        text_add(&t, "%s %.0f GB/s of %" PRIu64 " kB", i ? "," : "", p->peak.read[i] * 1e-9, peak_sets[i] >> 10);
    return t.at;
}

/* ---- text ---------------------------------------------------------------------------------------- */

static void rate(double value)
{
    if (value >= 0.05)
        printf(" %9.1f", value);
    else
        printf(" %9s", "");
}

void profile_text(const Profile *p)
{
    size_t n = shown(p);
    printf("%s  method %s  %s\n%zu runs, median %.1f us; %.1f us of it in %zu kernels\n%s\n\n", p->runner->file,
           p->runner->method->name, p->runner->model->isa, p->runs.n, p->whole * 1e6, p->sum * 1e6, p->steps.n,
           peak_text(p));
    printf("%10s %6s %9s %9s %8s  %s\n", "us", "%", "GFLOP/s", "GB/s", "roof", "kernel");
    for (size_t i = 0; i < n; i++) {
        const Step *s = &p->steps.at[i];
        printf("%10.1f %6.1f", s->median * 1e6, percent(p, s));
        rate(s->gflops);
        rate(s->gbytes);
        if (s->share > 0)
            printf(" %4.0f %% %c", 100 * s->share, s->memory ? 'm' : 'c');
        else
            printf(" %8s", "");
        printf("  k%zu %s", s->number, s->name ? s->name : "?");
        if (s->about && *s->about)
            printf("  %s", s->about);
        printf("\n");
        if (s->line && *s->line)
            printf("%49s %s\n", "", s->line);
    }
    if (n < p->steps.n)
        printf("%10s        and %zu more\n", "", p->steps.n - n);
    printf("\nroof: the least time that a kernel's operations (c) or bytes (m) take here, as part of its time\n");
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static void member(Text *t, const char *key, const char *value)
{
    text_add(t, ",\"%s\":", key);
    text_json(t, value ? value : "");
}

void profile_json(const Profile *p)
{
    Text t;
    text_init(&t, p->job);
    text_add(&t, "{\"file\":");
    text_json(&t, p->runner->file);
    member(&t, "method", p->runner->method->name);
    member(&t, "isa", p->runner->model->isa);
    text_add(&t, ",\"runs\":%zu,\"us\":%.3f,\"kernels_us\":%.3f,\"peak\":{\"gflops\":%.3f,\"reads\":[", p->runs.n,
             p->whole * 1e6, p->sum * 1e6, p->peak.flops * 1e-9);
    for (int i = 0; i < PEAK_SETS; i++)
        text_add(&t, "%s{\"bytes\":%" PRIu64 ",\"gbytes\":%.3f}", i ? "," : "", peak_sets[i], p->peak.read[i] * 1e-9);
    text_add(&t, "]},\"kernels\":[");
    for (size_t i = 0; i < p->steps.n; i++) {
        const Step *s = &p->steps.at[i];
        text_add(&t, "%s{\"number\":%zu", i ? "," : "", s->number);
        member(&t, "name", s->name);
        member(&t, "about", s->about);
        member(&t, "line", s->line);
        text_add(&t, ",\"us\":%.3f,\"percent\":%.3f,\"calls\":%d,\"flops\":%.0f,\"done\":%.0f,\"bytes\":%.0f",
                 s->median * 1e6, percent(p, s), s->calls, s->flops, s->done, s->bytes);
        text_add(&t, ",\"gflops\":%.3f,\"gbytes\":%.3f,\"roof_percent\":%.3f,\"bound\":\"%s\"}", s->gflops, s->gbytes,
                 100 * s->share, s->memory ? "memory" : "compute");
    }
    text_add(&t, "]}");
    puts(t.at);
}

/* ---- the page -------------------------------------------------------------------------------------- */

enum { WIDE = 760, HIGH = 380, LEFT = 60, TOP = 10 };

/* Both axes are logarithmic. */
typedef struct Plot {
    Text *t;
    double x0, x1, y0, y1; /* decades */
} Plot;

static double across(const Plot *q, double x)
{
    return LEFT + (log10(x) - q->x0) / (q->x1 - q->x0) * WIDE;
}

static double down(const Plot *q, double y)
{
    return TOP + (q->y1 - log10(y)) / (q->y1 - q->y0) * HIGH;
}

/* min(peak, intensity * bandwidth), from edge to edge. */
static void roof(const Plot *q, const Profile *p, double bandwidth, const char *colour, const char *name)
{
    double peak = p->peak.flops * 1e-9, knee = peak / bandwidth, left = pow(10, q->x0), right = pow(10, q->x1);
    text_add(q->t, "<polyline fill=\"none\" stroke=\"%s\" points=\"", colour);
    if (knee > left) {
        double low = pow(10, q->y0) / bandwidth; /* where it comes out of the lower edge */
        double from = left > low ? left : low;
        text_add(q->t, "%.1f,%.1f ", across(q, from), down(q, from * bandwidth));
    }
    knee = knee < left ? left : knee > right ? right : knee;
    double at = knee * bandwidth < peak ? knee * bandwidth : peak;
    text_add(q->t, "%.1f,%.1f %.1f,%.1f\"><title>%s: %.0f GB/s</title></polyline>\n", across(q, knee), down(q, at),
             across(q, right), down(q, right * bandwidth < peak ? right * bandwidth : peak), name, bandwidth);
}

static void axes(const Plot *q)
{
    for (int e = (int)q->x0; e <= (int)q->x1; e++)
        text_add(q->t, "<text x=\"%.1f\" y=\"%d\" font-size=\"11\" text-anchor=\"middle\">%g</text>\n",
                 across(q, pow(10, e)), TOP + HIGH + 15, pow(10, e));
    for (int e = (int)q->y0; e <= (int)q->y1; e++)
        text_add(q->t,
                 "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
                 "font-size=\"11\" text-anchor=\"end\">%g</text>\n",
                 LEFT, LEFT + WIDE, down(q, pow(10, e)), down(q, pow(10, e)), LEFT - 6, down(q, pow(10, e)) + 4,
                 pow(10, e));
    text_add(q->t, "<text x=\"%d\" y=\"%d\" font-size=\"12\">operations per byte</text>\n", LEFT + WIDE - 120,
             TOP + HIGH + 32);
    text_add(q->t, "<text x=\"%d\" y=\"%d\" font-size=\"12\">GFLOP/s</text>\n", LEFT + 6, TOP + 12);
}

static bool in_plot(const Step *s)
{
    return s->flops > 0 && s->bytes > 0 && s->gflops > 0;
}

static void roofline(Text *t, const Profile *p)
{
    double peak = p->peak.flops * 1e-9, low = peak, x0 = 0.1, x1 = 100;
    for (size_t i = 0; i < p->steps.n; i++) {
        const Step *s = &p->steps.at[i];
        if (!in_plot(s))
            continue;
        double intensity = s->done / s->bytes, speed = s->gflops * s->done / s->flops;
        low = speed < low ? speed : low;
        x0 = intensity < x0 ? intensity : x0;
        x1 = intensity > x1 ? intensity : x1;
    }
    Plot q = { t, floor(log10(x0)), ceil(log10(x1)), floor(log10(low > 1e-6 ? low : 1e-6)), ceil(log10(peak)) };
    q.y0 = q.y0 < q.y1 - 2 ? q.y0 : q.y1 - 2;
    text_add(t, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" role=\"img\">\n", LEFT + WIDE + 20,
             TOP + HIGH + 40);
    axes(&q);
    roof(&q, p, p->peak.read[0] * 1e-9, "#4a7ebb", "first cache");
    roof(&q, p, p->peak.read[PEAK_SETS - 1] * 1e-9, "#bb4a4a", "memory");
    for (size_t i = p->steps.n; i-- > 0;) {
        const Step *s = &p->steps.at[i];
        double speed = s->flops > 0 ? s->gflops * s->done / s->flops : 0;
        if (!in_plot(s) || speed < pow(10, q.y0))
            continue;
        double radius = 2 + 18 * sqrt(p->sum > 0 ? s->median / p->sum : 0);
        double y = down(&q, speed);
        text_add(t, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"#e0a030\" fill-opacity=\".6\" stroke=\"#806000\"><title>",
                 across(&q, s->done / s->bytes), y < TOP ? TOP : y, radius);
        html_text(t, job_printf(p->job, "k%zu %s: %.1f us, %.1f GFLOP/s, %.0f %% of its roof", s->number,
                                s->name ? s->name : "?", s->median * 1e6, s->gflops, 100 * s->share));
        text_add(t, "</title></circle>\n");
    }
    text_add(t, "</svg>\n<p class=\"dim\">A circle is a kernel with multiply-adds, its area its share of the time. Blue: what "
                "reading from the first cache allows; red: from memory. Of Winograd's convolutions it counts what they "
                "multiply; GFLOP/s are those of the plain ones.</p>\n");
}

static void row(Text *t, const Profile *p, const Step *s)
{
    text_add(t, "<tr><td class=\"n\">%zu</td><td class=\"n\">%.1f</td><td class=\"n\">%.1f</td>", s->number, s->median * 1e6,
             percent(p, s));
    text_add(t, s->gflops >= 0.05 ? "<td class=\"n\">%.1f</td>" : "<td></td>", s->gflops);
    text_add(t, s->gbytes >= 0.05 ? "<td class=\"n\">%.1f</td>" : "<td></td>", s->gbytes);
    text_add(t, s->share > 0 ? "<td class=\"n\">%.0f %% %s</td>" : "<td></td>", 100 * s->share, s->memory ? "memory" : "compute");
    text_add(t, "<td><span class=\"bar\" style=\"width:%.1fem\"></span> <b>", percent(p, s) / 8);
    html_text(t, s->name ? s->name : "?");
    text_add(t, "</b> ");
    html_short(t, s->about ? s->about : "", 200);
    text_add(t, "<br/><span class=\"c dim\">");
    html_short(t, s->line ? s->line : "", 300);
    text_add(t, "</span></td></tr>\n");
}

void profile_page(const Profile *p, const char *path)
{
    enum { MOST_ROWS = 1000 };
    Text t;
    size_t n = p->steps.n < MOST_ROWS ? p->steps.n : MOST_ROWS;
    text_init(&t, p->job);
    html_open(&t, job_printf(p->job, "%s: profile", p->runner->file));
    text_add(&t, "<table>\n");
    html_pair(&t, "method", p->runner->method->name);
    html_pair(&t, "level", p->runner->model->isa);
    html_pair(&t, "a run", job_printf(p->job, "%.1f us, the median of %zu; %.1f us in %zu kernels", p->whole * 1e6, p->runs.n,
                                      p->sum * 1e6, p->steps.n));
    html_pair(&t, "the processor", peak_text(p));
    text_add(&t, "</table>\n<h2>Roofline</h2>\n");
    roofline(&t, p);
    text_add(&t, "<h2>Kernels</h2>\n<p>roof: the least time that a kernel's operations or bytes take on this processor, as "
                 "part of its time.</p>\n<table><tr><th class=\"n\">k</th><th class=\"n\">us</th><th class=\"n\">%%</th>"
                 "<th class=\"n\">GFLOP/s</th><th class=\"n\">GB/s</th><th class=\"n\">roof</th><th>kernel</th></tr>\n");
    for (size_t i = 0; i < n; i++)
        row(&t, p, &p->steps.at[i]);
    text_add(&t, "</table>\n");
    if (n < p->steps.n)
        text_add(&t, "<p>%zu faster kernels are left out.</p>\n", p->steps.n - n);
    html_close(&t);
    output_file(p->job, path, 0666, t.at, t.n);
}
