/* SPDX-License-Identifier: MIT */
/* What is made of the table of the command line (options.def): help texts, the manual page, completions of shells. */
#include "driver.h"
#include <ctype.h>
#include <string.h>

enum { HELP_COLUMN = 34 };

static const OptionRow *rows_end(void)
{
    return option_rows + option_row_count;
}

/* The row of a command or group; a bug when there is none. */
static const OptionRow *section_of(const char *name)
{
    for (const OptionRow *r = option_rows; r < rows_end(); r++)
        if (r->kind != ROW_FLAG && !strcmp(r->names, name))
            return r;
    bug("%s has no row in options.def", name);
}

/* The flag behind `row` in its section; NULL: it was the last. */
static const OptionRow *next_flag(const OptionRow *row)
{
    return row + 1 < rows_end() && row[1].kind == ROW_FLAG ? row + 1 : NULL;
}

/* The groups of a command, one after the other: "c" is the compilation itself. */
static const OptionRow *group_of(char letter)
{
    char name[] = { letter, 0 };
    return section_of(letter == 'c' ? "" : name);
}

static const OptionRow *next_command(const OptionRow *row)
{
    for (row = row ? row + 1 : option_rows; row < rows_end(); row++)
        if (row->kind == ROW_COMMAND)
            return row;
    return NULL;
}

/* "--emit=so|obj", "-o FILE", "--json" */
static const char *flag_text(Job *job, const OptionRow *f)
{
    return !f->value             ? f->names
           : option_has_words(f) ? job_printf(job, "%s=%s", f->names, f->value)
                                 : job_printf(job, "%s %s", f->names, f->value);
}

/* ---- help -------------------------------------------------------------------------------------------------- */

static void help_line(Text *t, const char *left, const char *about)
{
    Text line;
    text_init(&line, t->job);
    text_add(&line, "  %s", left);
    text_pad(&line, HELP_COLUMN);
    if (line.n > HELP_COLUMN) { /* on a line of its own */
        text_add(&line, "\n");
        text_pad(&line, HELP_COLUMN);
    }
    text_add(t, "%s %s\n", line.at, about);
}

static void help_flags(Text *t, const OptionRow *section)
{
    for (const OptionRow *f = section; (f = next_flag(f));)
        help_line(t, flag_text(t->job, f), f->about);
}

void print_help(Job *job, const char *command)
{
    Text t;
    text_init(&t, job);
    const OptionRow *section = section_of(command);
    text_add(&t, "usage: aotc %s%s%s%s\n%s\n", command, *command ? " " : "", section->value,
             next_flag(section) || *section->groups ? " [flags]" : "", section->about);
    help_flags(&t, section);
    for (const char *g = section->groups; *g; g++) {
        if (*g == 'c') {
            text_add(&t, "flags of compiling, for a .pt2: see aotc --help\n");
            continue;
        }
        text_add(&t, "%s:\n", group_of(*g)->about);
        help_flags(&t, group_of(*g));
    }
    if (!*command) {
        text_add(&t, "commands; aotc COMMAND --help shows the flags of each:\n");
        for (const OptionRow *c = NULL; (c = next_command(c));)
            if (*c->names)
                help_line(&t, job_printf(job, "%s %s", c->names, c->value), c->about);
        text_add(&t, "%s:\n", group_of('?')->about);
        help_flags(&t, group_of('?'));
        text_add(&t, "exit codes: 0 done, 1 input refused, 2 usage, 3 not supported, 4 toolchain, 5 memory or I/O\n");
    }
    fputs(t.at, stdout);
}

bool help_wanted(Job *job, int argc, char **argv, const char *command)
{
    for (int i = 1; i < argc; i++)
        if (flag_is(argv[i], "--help")) {
            print_help(job, command);
            return true;
        }
    return false;
}

/* ---- the manual page --------------------------------------------------------------------------------------- */

static void roff(Text *t, const char *text)
{
    if (*text == '.' || *text == '\'')
        text_add(t, "\\&");
    for (; *text; text++)
        text_add(t, *text == '-' ? "\\-" : *text == '\\' ? "\\e" : "%c", *text);
}

static void roff_flags(Text *t, const OptionRow *section)
{
    for (const OptionRow *f = section; (f = next_flag(f));) {
        text_add(t, ".TP\n\\fB");
        roff(t, f->names);
        text_add(t, "\\fR");
        if (f->value) {
            text_add(t, option_has_words(f) ? "=" : " ");
            roff(t, f->value);
        }
        text_add(t, "\n");
        roff(t, f->about);
        text_add(t, ".\n");
    }
}

static void roff_command(Text *t, const OptionRow *c)
{
    text_add(t, ".SS \"aotc ");
    roff(t, c->names);
    text_add(t, " ");
    roff(t, c->value);
    text_add(t, "\"\n");
    roff(t, job_printf(t->job, "%c%s.\n", toupper((unsigned char)*c->about), c->about + 1));
    if (strchr(c->groups, 'c'))
        text_add(t, "The flags of a compilation are taken too, for a .pt2.\n");
    roff_flags(t, c);
    for (const char *g = c->groups; *g; g++)
        if (*g != 'c')
            roff_flags(t, group_of(*g));
}

static const char manual_end[] =
    ".SH EXIT STATUS\n"
    "0 done; 1 the input is refused; 2 usage; 3 something in the model is not supported; 4 the C compiler or linker\n"
    "failed; 5 memory or I/O.  A failure is one line on standard error.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBCC\\fR\nThe C compiler, where \\fB\\-\\-cc\\fR names none.\n"
    ".TP\n\\fBTMPDIR\\fR\nWhere the C compiler's files are while it runs.\n"
    ".SH EXAMPLES\n"
    ".TP\naotc model.pt2 \\-o model.so\nCompile what torch.export.save wrote.\n"
    ".TP\naotc run model.so \\-\\-inputs x.npy \\-\\-outputs out\nRun it once.\n"
    ".TP\naotc model.pt2 \\-\\-emit=c \\-\\-target=generic \\-o model.c\nStrict C11 for any processor, beside "
    "model.h.\n"
    ".SH SEE ALSO\n"
    ".BR cc (1),\n.BR pkg\\-config (1)\n";

void print_manual(Job *job)
{
    Text t;
    text_init(&t, job);
    text_add(&t,
             ".TH AOTC 1 \"\" \"aotc %s\" \"User Commands\"\n.SH NAME\naotc \\- PyTorch models as C\n.SH SYNOPSIS\n",
             AOTC_VERSION);
    for (const OptionRow *c = NULL; (c = next_command(c));) {
        text_add(&t, "%s.B aotc%s%s\n", *c->names ? ".br\n" : "", *c->names ? " " : "", c->names);
        roff(&t, c->value);
        text_add(&t, " [flags]\n");
    }
    text_add(&t,
             ".SH DESCRIPTION\n"
             "aotc reads archives that torch.export.save wrote and compiles them ahead of time, by a C compiler or,\n"
             "where there is none, by libtcc in its own process.  The result is one shared object without\n"
             "dependencies, with the weights inside, or C for any processor.\n.SH OPTIONS\n");
    roff_flags(&t, section_of(""));
    roff_flags(&t, group_of('?'));
    text_add(&t, ".SH COMMANDS\n");
    for (const OptionRow *c = NULL; (c = next_command(c));)
        if (*c->names)
            roff_command(&t, c);
    text_add(&t, "%s", manual_end);
    fputs(t.at, stdout);
}

/* ---- completion -------------------------------------------------------------------------------------------- */

/* What a flag's value may be: its words, "DIR" or "FILE"; NULL when nothing helps. */
static const char *completes(const OptionRow *f)
{
    return !f->value || option_has_words(f) ? f->value
           : strstr(f->value, "FILE")       ? "FILE"
           : !strcmp(f->value, "DIR")       ? "DIR"
                                            : NULL;
}

/* The words of a list, separated by `glue`. */
static void words(Text *t, const char *list, const char *between, const char *glue)
{
    size_t n;
    for (const char *at = list; (at = option_word(at, between, &n)); at = option_next(at, between, n))
        text_add(t, "%s%.*s", at == list ? "" : glue, (int)n, at);
}

static void bash_values(Text *t, const OptionRow *section, const char *command)
{
    for (const OptionRow *f = section; (f = next_flag(f));) {
        const char *kind = completes(f);
        if (!kind)
            continue;
        text_add(t, "    %s:", command);
        words(t, f->names, ", ", job_printf(t->job, "|%s:", command));
        if (option_has_words(f)) {
            text_add(t, ") words=\"");
            words(t, f->value, "|", " ");
            text_add(t, "\" ;;\n");
        } else {
            text_add(t, ") COMPREPLY=($(compgen %s -- \"$word\")); return ;;\n", *kind == 'D' ? "-d" : "-f");
        }
    }
}

static void bash_flags(Text *t, const OptionRow *section)
{
    for (const OptionRow *f = section; (f = next_flag(f));) {
        text_add(t, " ");
        words(t, f->names, ", ", " ");
    }
}

static void bash_completion(Text *t)
{
    text_add(t, "# Completion of aotc for bash; written by aotc --completion=bash.\n_aotc()\n{\n"
                "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= flags= words=\n"
                "    if [[ $before == = ]]; then\n        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
                "    elif [[ $word == = ]]; then\n        word=\n    fi\n"
                "    case ${COMP_WORDS[1]} in\n    ");
    const char *bar = "";
    for (const OptionRow *c = NULL; (c = next_command(c)); bar = *c->names ? "|" : "")
        text_add(t, "%s%s", bar, c->names);
    text_add(t, ") command=${COMP_WORDS[1]} ;;\n    esac\n    case $command:$before in\n");
    for (const OptionRow *c = NULL; (c = next_command(c));) {
        bash_values(t, c, c->names);
        for (const char *g = c->groups; *g; g++)
            bash_values(t, group_of(*g), c->names);
    }
    bash_values(t, group_of('?'), "");
    text_add(t, "    esac\n    case $command in\n");
    for (const OptionRow *c = NULL; (c = next_command(c));) {
        text_add(t, *c->names ? "    %s) flags=\"" : "    '%s') flags=\"", c->names);
        bash_flags(t, c);
        for (const char *g = c->groups; *g; g++)
            bash_flags(t, group_of(*g));
        if (!*c->names)
            bash_flags(t, group_of('?'));
        text_add(t, " --help\" ;;\n");
    }
    text_add(t, "    esac\n    if [[ $word == -* ]]; then\n        words=$flags\n"
                "    elif [[ -z $words && $COMP_CWORD == 1 ]]; then\n        words=\"");
    for (const OptionRow *c = NULL; (c = next_command(c));)
        text_add(t, "%s ", c->names);
    text_add(t, "\"\n    fi\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
                "complete -o bashdefault -o default -F _aotc aotc\n");
}

/* Text inside single quotes and brackets of _arguments. */
static void zsh_text(Text *t, const char *text)
{
    for (; *text; text++)
        text_add(t, *text == '\'' ? "'\\''" : strchr("[]:\\", *text) ? "\\%c" : "%c", *text);
}

static void zsh_flags(Text *t, const OptionRow *section)
{
    size_t n;
    for (const OptionRow *f = section; (f = next_flag(f));) {
        const char *kind = completes(f);
        for (const char *at = f->names; (at = option_word(at, ", ", &n)); at = option_next(at, ", ", n)) {
            bool lengthy = at[1] == '-';
            text_add(t, "            '*%.*s%s[", (int)n, at, !f->value ? "" : lengthy ? "=" : "+");
            zsh_text(t, f->about);
            text_add(t, "]");
            if (f->value) {
                text_add(t, ":");
                zsh_text(t, kind && option_has_words(f) ? "word" : f->value);
                text_add(t, ":");
            }
            if (kind && option_has_words(f)) {
                text_add(t, "(");
                words(t, f->value, "|", " ");
                text_add(t, ")");
            } else if (f->value) {
                text_add(t, kind && *kind == 'D' ? "_files -/" : kind ? "_files" : " ");
            }
            text_add(t, "'\n");
        }
    }
}

static void zsh_completion(Text *t)
{
    text_add(t, "#compdef aotc\n# Completion of aotc for zsh; written by aotc --completion=zsh.\n"
                "_aotc() {\n    local -a commands flags\n    commands=(\n");
    for (const OptionRow *c = NULL; (c = next_command(c));)
        if (*c->names) {
            text_add(t, "        '%s:", c->names);
            zsh_text(t, c->about);
            text_add(t, "'\n");
        }
    text_add(t, "    )\n    case $words[2] in\n");
    for (int last = 0; last < 2; last++) /* compiling has no word of its own, so it comes behind the commands */
        for (const OptionRow *c = NULL; (c = next_command(c));) {
            if ((*c->names == 0) != last)
                continue;
            text_add(t, "    %s)\n        flags=(\n", *c->names ? c->names : "*");
            zsh_flags(t, c);
            for (const char *g = c->groups; *g; g++)
                zsh_flags(t, group_of(*g));
            if (last)
                zsh_flags(t, group_of('?'));
            text_add(t, "        ) ;;\n");
        }
    text_add(t, "    esac\n    if (( CURRENT == 2 )); then\n        _describe -t commands command commands\n    fi\n"
                "    _arguments $flags '*:file:_files'\n}\n_aotc \"$@\"\n");
}

void print_completion(Job *job, const char *shell)
{
    Text t;
    text_init(&t, job);
    option_check(job, "?", "--completion", shell);
    if (!strcmp(shell, "bash"))
        bash_completion(&t);
    else
        zsh_completion(&t);
    fputs(t.at, stdout);
}
