#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the time zones of this machine as one C array, for machines without zone files: embed-zones.py OUT [ZONEINFO_DIR]

Only offsets count in schedules, so names of offsets and summer-time marks are left out, as are changes that the footer
tells as well. The array, read by cron/zone_builtin.c:
  number of names, then for each, sorted: length, bytes, offset of its record
  record: number of offsets, each; number of changes, each as seconds since the one before and the index of its offset;
          length and bytes of the footer
Numbers are LEB128; offsets and the first change are zigzag-coded. Equal records are stored once.
"""
import datetime
import io
import os
import re
import struct
import sys
import zoneinfo

UTC_BEFORE = -(1 << 40)  # earlier changes mean "since ever"
PROBE_S = 20 * 86400
START = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def number(value):
    out = bytearray()
    while True:
        out.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(out)


def signed(value):
    return number(value * 2 if value >= 0 else -value * 2 - 1)


def read_file(path):
    """(changes [(instant, offset)], footer) of a TZif file of version 2 or later; None when it is none, or counts leap seconds."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"TZif" or data[4:5] < b"2":
        return None
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[20:44])
    data = data[44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut:]
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[20:44])
    if leap:
        return None
    at = 44 + times * 9
    instants = struct.unpack(f">{times}q", data[44:44 + times * 8])
    indexes = data[44 + times * 8:at]
    offsets = [struct.unpack(">l", data[at + i * 6:at + i * 6 + 4])[0] for i in range(types)]
    footer = data[at + types * 6 + chars + isstd + isut:].strip(b"\n").decode("ascii")
    changes = [(None, offsets[0])]
    for instant, index in zip(instants, indexes):
        if instant <= UTC_BEFORE:
            changes = [(None, offsets[index])]
        elif offsets[index] != changes[-1][1]:
            changes.append((instant, offsets[index]))
    return changes, footer


def tzif(changes, footer):
    """A small file with these changes, for Python's own reader."""
    offsets = sorted({offset for _, offset in changes})
    later = changes[1:]
    block = b"".join(struct.pack(">q", instant) for instant, _ in later) + bytes(offsets.index(offset) for _, offset in later)
    block += b"".join(struct.pack(">lBB", offset, 0, 0) for offset in offsets) + b"X\0"
    head = b"TZif2" + bytes(15)
    return (head + struct.pack(">6l", 0, 0, 0, 0, 1, 1) + bytes(7) +
            head + struct.pack(">6l", 0, 0, 0, len(later), len(offsets), 2) + block + b"\n" + footer.encode() + b"\n")


def trimmed(changes, footer):
    """Without the changes at the end that follow from the footer."""
    probes = []  # (instant, offset): right before and after each change, and every few weeks between
    for (instant, offset), (following, _) in zip(changes[1:], changes[2:] + [(changes[-1][0] + PROBE_S if len(changes) > 1 else 0, 0)]):
        probes += [(at, offset) for at in (*range(instant, following, PROBE_S), following - 1)]

    def told(count):
        zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(tzif(changes[:count], footer)))
        since = changes[count - 1][0] if count > 1 else UTC_BEFORE
        return all((START + datetime.timedelta(seconds=at)).astimezone(zone).utcoffset().total_seconds() == offset
                   for at, offset in probes if at >= since)

    if "," not in footer:
        return changes
    low, high = min(2, len(changes)), len(changes)  # told(high) holds; the footer begins after a change
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if told(middle) else (middle + 1, high)
    return changes[:high]


def record(changes, footer):
    offsets = sorted({offset for _, offset in changes})
    out = number(len(offsets)) + b"".join(signed(offset) for offset in offsets)
    out += number(len(changes)) + number(offsets.index(changes[0][1]))
    before = None
    for instant, offset in changes[1:]:
        out += (signed(instant) if before is None else number(instant - before)) + number(offsets.index(offset))
        before = instant
    return out + number(len(footer)) + footer.encode("ascii")


def names(folder):
    for root, _, files in os.walk(folder):
        for file in files:
            name = os.path.relpath(os.path.join(root, file), folder)
            if not re.match(r"posix/|right/|(localtime|posixrules)$", name) and re.fullmatch(r"[A-Za-z0-9_+/-]{1,63}", name):
                yield name


def version(folder):
    for file, pattern in (("tzdata.zi", r"# version (\w+)"), ("+VERSION", r"(\w+)")):
        try:
            with open(os.path.join(folder, file), encoding="utf-8") as stream:
                found = re.match(pattern, stream.readline())
        except OSError:
            continue
        if found:
            return found[1]
    return "unknown"


def main():
    folder = sys.argv[2] if len(sys.argv) > 2 else "/usr/share/zoneinfo"
    index, records, places = [], b"", {}
    for name in sorted(names(folder)):
        read = read_file(os.path.join(folder, name))
        if not read:
            continue
        data = record(trimmed(*read), read[1])
        if data not in places:
            places[data] = len(records)
            records += data
        index.append((name, places[data]))
    blob = number(len(index)) + b"".join(number(len(name)) + name.encode() + number(place) for name, place in index) + records
    rows = "\n".join(",".join(str(byte) for byte in blob[i:i + 32]) + "," for i in range(0, len(blob), 32))
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write(f"""/* Generated by tools/embed-zones.py: {len(index)} names, {len(places)} different records. */
#include "cron/zone_builtin.h"
const unsigned char zone_builtin_data[] = {{
{rows}
}};
const size_t zone_builtin_size = sizeof(zone_builtin_data);
const char zone_builtin_version[] = "{version(folder) if index else 'none'}";
""")


main()
