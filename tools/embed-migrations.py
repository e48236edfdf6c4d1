#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns an engine's NNNN_name.sql files into its table of db/migrate.h: embed-migrations.py OUT ENGINE IN…"""
import os
import sys


def c_text(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(f'    "{line}\\n"' for line in escaped.splitlines())


def main():
    out, engine, inputs = sys.argv[1], sys.argv[2], sorted(sys.argv[3:], key=os.path.basename)
    rows = []
    for path in inputs:
        number, name = os.path.basename(path)[:-4].split("_", 1)
        with open(path, encoding="utf-8") as f:
            rows.append(f'    {{{int(number)}, "{name}",\n{c_text(f.read())}}},')
    with open(out, "w", encoding="utf-8") as f:
        f.write(f'#include "db/migrate.h"\n\nconst struct migration {engine}_migrations[] = {{\n' + "\n".join(rows) + "\n};\n")
        f.write(f"const size_t {engine}_migration_count = {len(rows)};\n")


main()
