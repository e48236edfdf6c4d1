#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random documents, asked of `horae audit truncate` and of tests/audit_model.py. The seed is printed; the same seed and number
of cases give the same documents.

usage: HORAE_BINARY=build/release/horae tests/audit_random.py [--cases N] [--seed S]
"""
import argparse
import json
import os
import random
import subprocess
import sys

import audit_model as model

ALPHABETS = ("ab z", "aé", "日本語x", "😀a", '"\\', "\n\t\x01\x1f\x7fy", "\ud800\udc00a", "é日😀\"\\\x02\udfff.[]{}:,/", "\\u00e9")
KEYS = ("a", "name", "b.c", "", 'q"', "x[0]", "back\\slash", "größe", "data", "line\nbreak", "passwort", "$")
SECRETS = ("password", "API_KEY", "Set-Cookie", "access-token", "_secret_")
NUMBERS = ("0", "-0", "1.0", "1E400", "-1.5e-7", "12345678901234567890123", "true", "false", "null")


def string(rng, most):
    alphabet = rng.choice(ALPHABETS)
    return "".join(rng.choice(alphabet) for _ in range(rng.choice((0, 3, rng.randrange(13, 17), rng.randrange(most)))))


def spelled(rng, text):
    """A string in one of the ways that JSON allows."""
    out = ""
    for c in text:
        way = rng.randrange(6)
        if c in model.ESCAPES or ord(c) < 0x20 or 0xD800 <= ord(c) <= 0xDFFF or way == 0:
            short = model.ESCAPES.get(c) if way else None
            units = c.encode("utf-16-be", "surrogatepass")
            out += short or "".join(f"\\u{units[i:i + 2].hex().upper() if way % 2 else units[i:i + 2].hex()}" for i in range(0, len(units), 2))
        else:
            out += "\\/" if c == "/" and way == 1 else c
    return f'"{out}"'


def blanks(rng):
    return rng.choice(("", "", "", " ", "\n\t ", "\r"))


def key(rng):
    if rng.randrange(12) == 0:
        return rng.choice(SECRETS)
    return rng.choice(KEYS) if rng.randrange(3) else string(rng, 40)


def value(rng, depth, most):
    kind = rng.randrange(10) if depth else rng.randrange(6)
    if kind < 5:
        return spelled(rng, string(rng, most))
    if kind == 5:
        return rng.choice(NUMBERS)
    count = rng.choice((0, 1, 2, 3, 5, rng.randrange(12)))
    if kind < 8:
        return "[" + ",".join(blanks(rng) + value(rng, depth - 1, most) + blanks(rng) for _ in range(count)) + "]"
    if kind == 9 and rng.randrange(8) == 0:
        return spelled(rng, value(rng, depth - 1, most))  # JSON in a string
    return "{" + ",".join(blanks(rng) + spelled(rng, key(rng)) + blanks(rng) + ":" + blanks(rng) + value(rng, depth - 1, most) for _ in range(count)) + "}"


def damaged(rng, text):
    at = rng.randrange(len(text))
    return text[:at] + rng.choice((",", '"', "}", "x", "")) + text[at + 1:]


def ask(binary, text, limit, redaction):
    command = [binary, "audit", "truncate", "--limit", str(limit), *([] if redaction else ["--no-redact"])]
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)


def run(cases, seed, binary):
    """([what is wrong, …], {True: cut by strings alone, False: by dropping, None: not cut})"""
    rng = random.Random(seed)
    wrong, kinds = [], {True: 0, False: 0, None: 0}
    for _ in range(cases):
        text = value(rng, rng.randrange(4), rng.choice((20, 60, 400)))
        if rng.randrange(10) == 0:
            text = damaged(rng, text)
        redaction = rng.randrange(4) > 0
        whole = model.size(model.stored(model.document(text, redaction)))
        limit = max(32, rng.choice((whole - 1, whole, whole * rng.randrange(1, 100) // 100, whole * rng.randrange(70, 100) // 100)))
        answer = ask(binary, text, limit, redaction)
        problem, kind = model.check(text, limit, answer, redaction)
        kinds[kind] += 1
        if problem:
            wrong.append(f"--limit {limit}{'' if redaction else ' --no-redact'}: {text!r}\n  gave {answer!r}\n  {problem}")
    return wrong, kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    wrong, kinds = run(given.cases, given.seed, os.environ.get("HORAE_BINARY", "build/release/horae"))
    print("\n".join(wrong[:10]))
    print(f"{given.cases} documents: {kinds[True]} cut in strings, {kinds[False]} also elsewhere, {kinds[None]} whole; {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
