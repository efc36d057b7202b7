#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What must be installed to run a model: footprint.py DISTRIBUTION ...

For each distribution of this Python: the bytes of its files, and those of everything that it requires, without optional
parts. Files that Python compiles by itself (.pyc) do not count; what a distribution requires and this machine lacks is
named."""
import importlib.metadata
import sys

from packaging.requirements import Requirement


def size_of(distribution):
    files = [f.locate() for f in distribution.files or [] if f.suffix != ".pyc"]
    return sum(f.stat().st_size for f in files if f.is_file())


def closure(name, found, missing):
    """Adds {name: bytes} of the distribution and all that it requires."""
    key = name.lower().replace("_", "-")
    if key in found or key in missing:
        return
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        missing.add(key)
        return
    found[key] = size_of(distribution)
    for text in distribution.requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            closure(requirement.name, found, missing)


def main():
    print("| distribution | its files, MB | with what it requires, MB | distributions |\n|---|--:|--:|--:|")
    for name in sys.argv[1:]:
        found, missing = {}, set()
        closure(name, found, missing)
        own = found.get(name.lower().replace("_", "-"))
        if own is None:
            print(f"| {name} | not installed |||")
            continue
        lacks = f"; not counted: {', '.join(sorted(missing))}" if missing else ""
        version = importlib.metadata.version(name)
        print(f"| {name} {version} | {own / 1e6:.1f} | {sum(found.values()) / 1e6:.1f} | {len(found)}{lacks} |")


if __name__ == "__main__":
    main()
