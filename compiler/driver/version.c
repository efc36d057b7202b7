/* SPDX-License-Identifier: MIT */
/* Names and versions of models: which there are, and which version is the later one. */
#include "provenance.h"
#include <string.h>

enum { NAME_MAX_BYTES = 100, VERSION_MAX_BYTES = 100 };

static const char digits[] = "0123456789";
static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char label[] = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool is_model_name(const char *text)
{
    size_t n = strlen(text);
    return n && n <= NAME_MAX_BYTES && strchr(letters, text[0]) &&
           strspn(text, "._-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == n;
}

/* ---- the grammar --------------------------------------------------------------------------------- */

/* A number without a zero in front; moves *at behind it. */
static bool take_number(const char **at)
{
    size_t n = strspn(*at, digits);
    bool good = n == 1 || (n > 1 && **at != '0');
    *at += n;
    return good;
}

/* "rc.1": labels with dots between. `numbers`: those of digits alone have no zero in front. */
static bool take_labels(const char **at, bool numbers)
{
    for (;; ++*at) {
        size_t n = strspn(*at, label);
        if (!n || (numbers && n > 1 && **at == '0' && strspn(*at, digits) == n))
            return false;
        *at += n;
        if (**at != '.')
            return true;
    }
}

bool is_model_version(const char *text)
{
    if (strlen(text) > VERSION_MAX_BYTES)
        return false;
    for (int i = 0; i < 3; i++)
        if ((i && *text++ != '.') || !take_number(&text))
            return false;
    if (*text == '-' && (text++, !take_labels(&text, true)))
        return false;
    if (*text == '+' && (text++, !take_labels(&text, false)))
        return false;
    return !*text;
}

bool is_prerelease(const char *version)
{
    return version[strcspn(version, "-+")] == '-';
}

/* ---- the order ----------------------------------------------------------------------------------- */

/* Of two texts with their lengths; a number is below what is none, numbers are as large as they are long. */
static int compare_labels(const char *a, size_t n, const char *b, size_t m)
{
    bool x = strspn(a, digits) >= n, y = strspn(b, digits) >= m;
    if (x != y)
        return x ? -1 : 1;
    if (x && n != m)
        return n < m ? -1 : 1;
    int order = memcmp(a, b, n < m ? n : m);
    return order ? order : n < m ? -1 : n > m;
}

/* Labels with dots between, up to a character of `ends`; the one with fewer is below. */
static int compare_lists(const char **a, const char **b, const char *ends)
{
    for (;; ++*a, ++*b) {
        size_t n = strcspn(*a, ends), m = strcspn(*b, ends);
        size_t x = strcspn(*a, "."), y = strcspn(*b, ".");
        x = x < n ? x : n;
        y = y < m ? y : m;
        int order = compare_labels(*a, x, *b, y);
        *a += x;
        *b += y;
        if (order || **a != '.' || **b != '.')
            return order ? order : (**a == '.') - (**b == '.');
    }
}

int compare_versions(const char *a, const char *b)
{
    const char *x = a, *y = b;
    int order = compare_lists(&x, &y, "-+");
    if (!order && is_prerelease(a) != is_prerelease(b))
        return is_prerelease(a) ? -1 : 1;
    if (!order && is_prerelease(a)) {
        x++;
        y++;
        order = compare_lists(&x, &y, "+");
    }
    return order ? order : strcmp(a, b);
}
