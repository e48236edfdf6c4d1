#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns migrations/NNNN_name.sql files into the table of db/migrate.h: embed-migrations.py OUT IN…"""
import os
import sys


def c_text(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(f'    "{line}\\n"' for line in escaped.splitlines())


def main():
    out, inputs = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
    rows = []
    for path in inputs:
        number, name = os.path.basename(path)[:-4].split("_", 1)
        with open(path, encoding="utf-8") as f:
            rows.append(f'    {{{int(number)}, "{name}",\n{c_text(f.read())}}},')
    with open(out, "w", encoding="utf-8") as f:
        f.write('#include "db/migrate.h"\n\nconst struct migration migrations[] = {\n' + "\n".join(rows) + "\n};\n")
        f.write(f"const size_t migration_count = {len(rows)};\n")


main()
