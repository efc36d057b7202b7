#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Documents tell the truth: check_docs.py AOTC ROOT [--bless].

README.md holds the table that `aotc --list-ops` prints and two one-line commands in its first two `sh` blocks; every
file that a document of the project links to exists.  --bless writes the table into README.md."""
import pathlib
import re
import subprocess
import sys


def main():
    aotc, root = sys.argv[1], pathlib.Path(sys.argv[2])
    problems = []
    readme = (root / "README.md").read_text()
    table = subprocess.run([aotc, "--list-ops"], capture_output=True, text=True, check=True).stdout
    if "--bless" in sys.argv:
        readme = re.sub(r"\| group \|.*?\n(?:\|.*\n)+", lambda _: table, readme, count=1)
        (root / "README.md").write_text(readme)
    if table not in readme:
        problems.append("README.md: the table of operators is not what `aotc --list-ops` prints")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", readme, re.M | re.S)
    shell = [text for language, text in blocks if language == "sh"]
    if len(shell) < 2 or any(text.count("\n") != 1 for text in shell[:2]):
        problems.append("README.md: the first two sh blocks are not one line each")
    for document in [root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").glob("*.md"))]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            if not (document.parent / link).exists():
                problems.append(f"{document.name}: {link} does not exist")
    print("\n".join(problems) or "documents are true")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
