#!/usr/bin/env python3
"""Writes zones.tsv from the IANA time zone database, as PostgreSQL compiles it.

Usage: update.py /usr/share/zoneinfo/tzdata.zi > zones.tsv

The input must hold the old zones too (its head says "ddeps backzone zone.tab"): PostgreSQL keeps their own history before 1970.
Lines: name, types (seconds east, abbreviation), transitions (seconds since 1970, index of the type that
begins), POSIX rule for all time after; or name, "=", name of the zone it is another name of. Before its first transition a zone
has its first type.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile


def read(path):
    """The second, 64-bit block of a TZif file and its footer."""
    data = path.read_bytes()
    counts = struct.unpack(">6L", data[20:44])
    skip = lambda c, size: c[3] * size + c[3] + c[4] * 6 + c[5] + c[2] * (size + 4) + c[1] + c[0]
    start = 44 + skip(counts, 4)
    isut, isstd, leap, time, kinds, chars = struct.unpack(">6L", data[start + 20:start + 44])
    at = start + 44
    times = struct.unpack(f">{time}q", data[at:at + 8 * time])
    at += 8 * time
    indexes = data[at:at + time]
    at += time
    types = [struct.unpack(">lBB", data[at + 6 * i:at + 6 * i + 6]) for i in range(kinds)]
    at += 6 * kinds
    names = data[at:at + chars]
    footer = data[at + chars + 12 * leap + isstd + isut:].decode().strip()
    shown = []
    for east, _, name in types:
        abbreviation = names[name:names.index(b"\0", name)].decode()
        shown.append(f"{east} {abbreviation}")
    return ",".join(shown), ",".join(f"{t} {i}" for t, i in zip(times, indexes)), footer


def main():
    source = pathlib.Path(sys.argv[1])
    version = source.read_text().splitlines()[0].removeprefix("# version ")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["zic", "-b", "slim", "-d", folder, str(source)], check=True)
        print(f"# IANA time zone database {version}, in the public domain")
        first = {}
        for path in sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file()):
            name = str(path.relative_to(folder))
            content = path.read_bytes()
            if content in first:
                print(name, "=", first[content], sep="\t")
            else:
                first[content] = name
                print(name, *read(path), sep="\t")


main()
