# SPDX-License-Identifier: MIT
"""docs/operators.md: the operators that `aotc --list-ops` prints, with what PyTorch's own tests say of each.

`check_docs.py --bless` brings the rows up to date and keeps what the tests said; `tests/conformance/run.py --bless`
brings that up to date as well."""
import re
import subprocess

HEAD = """<!-- SPDX-License-Identifier: MIT -->
# Operators

Every operator of PyTorch that aotc reads, with all its overloads; `(_)` has an in-place form too. Beside each stand the
cases of PyTorch's operator tests whose exported programs call it (a case may call many): how many pass, of how many, and
the element types of those that pass. A case that does not pass is refused with exit code 3 and a reason, which
[refused.txt](../tests/conformance/refused.txt) lists. – means that no case calls it.

This page is written by `tests/docs/check_docs.py AOTC . --bless` and `tests/conformance/run.py --bless`.
"""
ROW = re.compile(r"^\| `(\w+)`(?:\(_\))? \| (.*?) \| (.*?) \|$", re.M)


def groups(aotc):
    """[(title, [(name, in-place form)])] of --list-ops."""
    table = subprocess.run([aotc, "--list-ops"], capture_output=True, text=True, check=True).stdout
    found = []
    for line in table.splitlines()[2:]:
        title, names = (cell.strip() for cell in line.strip("| ").split("|"))
        found.append((title, re.findall(r"`(\w+)`(\(_\))?", names)))
    return found


def known(path):
    """{name: (types, cases)} of the page as it is."""
    return {name: (types, cases) for name, types, cases in ROW.findall(path.read_text())} if path.exists() else {}


def page(listed, facts):
    parts = [HEAD]
    for title, names in listed:
        parts.append(f"\n## {title[0].upper()}{title[1:]}\n\n| operator | element types that pass | cases |\n|---|---|--:|\n")
        for name, inplace in names:
            types, cases = facts.get(name, ("–", "–"))
            parts.append(f"| `{name}`{inplace} | {types} | {cases} |\n")
    return "".join(parts)


def facts_of(records):
    """{name: (types, cases)} of (targets, element types, passed) of each case."""
    counts, types = {}, {}
    for targets, dtypes, passed in records:
        for name in {t.split(".")[1].rstrip("_") if not t.split(".")[1].startswith("__") else t.split(".")[1]
                     for t in targets if t.startswith("aten.")}:
            good, every = counts.get(name, (0, 0))
            counts[name] = (good + passed, every + 1)
            types.setdefault(name, set()).update(dtypes if passed else ())
    order = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    rank = {name: i for i, name in enumerate(order)}
    return {name: (", ".join(sorted(types[name], key=lambda d: (rank.get(d, 99), d))) or "–", f"{good} of {every}")
            for name, (good, every) in counts.items()}
