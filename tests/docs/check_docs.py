#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Documents tell the truth: check_docs.py AOTC ROOT [--bless].

README.md sums up the table that `aotc --list-ops` prints, and its first two `sh` blocks are one-line commands; every
file that a document of the project links to exists; docs/operators.md has a row for each operator.  --bless writes the
sums and the rows."""
import pathlib
import re
import subprocess
import sys

import operators


SHOWN = 10  # operators of a group that README.md names


def summary(table):
    """A row a group: its title, how many operators, the first of them."""
    rows = ["| group | operators | such as |", "|---|--:|---|"]
    for line in table.splitlines()[2:]:
        title, names = (cell.strip() for cell in line.strip("| ").split("|"))
        names = names.split()
        rows.append(f"| {title} | {len(names)} | {' '.join(names[:SHOWN])}{' ...' if len(names) > SHOWN else ''} |")
    return "\n".join(rows) + "\n"


def main():
    aotc, root = sys.argv[1], pathlib.Path(sys.argv[2])
    problems = []
    readme = (root / "README.md").read_text()
    table = summary(subprocess.run([aotc, "--list-ops"], capture_output=True, text=True, check=True).stdout)
    if "--bless" in sys.argv:
        readme = re.sub(r"\| group \|.*?\n(?:\|.*\n)+", lambda _: table, readme, count=1)
        (root / "README.md").write_text(readme)
    if table not in readme:
        problems.append("README.md: the table of operators does not sum up what `aotc --list-ops` prints")
    wanted = root / "docs" / "operators.md"
    text = operators.page(operators.groups(aotc), operators.known(wanted))
    if "--bless" in sys.argv:
        wanted.write_text(text)
    if not wanted.exists() or wanted.read_text() != text:
        problems.append("docs/operators.md: the rows are not those of `aotc --list-ops`")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", readme, re.M | re.S)
    shell = [text for language, text in blocks if language == "sh"]
    if len(shell) < 2 or any(text.count("\n") != 1 for text in shell[:2]):
        problems.append("README.md: the first two sh blocks are not one line each")
    for document in [root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").glob("*.md")),
                     *sorted((root / "samples").glob("*/README.md"))]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            if not (document.parent / link).exists():
                problems.append(f"{document.name}: {link} does not exist")
    print("\n".join(problems) or "documents are true")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
