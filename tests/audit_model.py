# SPDX-License-Identifier: Apache-2.0
"""A second reading of AUD-03 to AUD-09 and AUD-13, written from their words and not from the program: slow and plain. `check`
says what is wrong with one answer of `horae audit truncate`."""
import json

MARKER = "...[truncated]"
SHORTEST = 14
REDACTED = set("password passwd secret token apikey accesskey secretkey privatekey authorization cookie setcookie credential "
               "credentials clientsecret refreshtoken accesstoken sessionid".split())
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Number(str):
    """A number, digit for digit; also true, false and null."""


class Members(list):
    """The members of an object, in their order and as often as they came: [(key, value), …]"""


def refuse(word):
    raise ValueError(word)


def parse(text):
    """The value of a JSON text; ValueError when it is none."""
    words = {True: Number("true"), False: Number("false"), None: Number("null")}

    def plain(value):
        if isinstance(value, Members):
            return Members((key, plain(inner)) for key, inner in value)
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return value if isinstance(value, str) else words[value]

    return plain(json.loads(text, object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=refuse))


def characters(text):
    """Each character as it is stored (AUD-04)."""
    for c in text:
        if c in ESCAPES:
            yield ESCAPES[c]
        elif ord(c) < 0x20 or 0xD800 <= ord(c) <= 0xDFFF:
            yield f"\\u{ord(c):04x}"
        else:
            yield c


def encoded(text):
    return "".join(characters(text))


def size(text):
    return len(text.encode())


def cut(text, most):
    """A string with at most `most` bytes (AUD-05, AUD-06), encoded."""
    if size(encoded(text)) <= most:
        return encoded(text)
    kept, left = "", most - SHORTEST
    for character in characters(text):
        left -= size(character)
        if left < 0:
            break
        kept += character
    return kept + MARKER


def stored(value, most=1 << 40):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return f'"{cut(value, most)}"'
    if isinstance(value, Members):
        return "{" + ",".join(f'"{encoded(key)}":{stored(inner, most)}' for key, inner in value) + "}"
    return "[" + ",".join(stored(inner, most) for inner in value) + "]"


def redact(value, texts=True):
    """AUD-13; a string that holds the text of an object or array is looked into once."""
    if isinstance(value, Members):
        return Members((key, "***" if key.lower().replace("_", "").replace("-", "") in REDACTED else redact(inner, texts)) for key, inner in value)
    if isinstance(value, list):
        return [redact(inner, texts) for inner in value]
    if texts and isinstance(value, str) and not isinstance(value, Number):
        try:
            inner = parse(value)
        except ValueError:
            return value
        if isinstance(inner, list) and redact(inner, False) != inner:
            return stored(redact(inner, False))
    return value


def document(text, redaction=True):
    """The object in what `horae audit truncate` reads."""
    try:
        value = parse(text)
        if isinstance(value, str) and not isinstance(value, Number):
            try:
                value = parse(value)
            except ValueError:
                pass
    except ValueError:
        value = text
    return redact(value) if redaction else value


def greatest(value, limit):
    """L of AUD-05; None where strings alone cannot do it. A greater L never gives a smaller object, so that halving finds it."""
    if size(stored(value, SHORTEST)) > limit:
        return None
    low, high = SHORTEST, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(stored(value, middle)) <= limit else (low, middle - 1)
    return low


def step(path, key):
    """The path of a member or item (AUD-08)."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if key == "" or any(c in key for c in '.[]"'):
        return f'{path}["{encoded(key)}"]'
    return f"{path}.{key}" if path else key


def differences(before, after, path=""):
    """Where `after` was cut; ValueError where it differs in another way."""
    if isinstance(after, Number) or isinstance(before, Number):
        if after == before:
            return
        if path == "" and after == MARKER:
            yield "$"
            return
        raise ValueError(f"{path}: {before} became {after}")
    if isinstance(before, str):
        if after == before:
            return
        if not after.endswith(MARKER) or not before.startswith(after[:-SHORTEST]):
            raise ValueError(f"{path}: {before} became {after}")
        yield path or "$"
        return
    kept = list(after)
    if type(after) is not type(before):
        raise ValueError(f"{path}: another type")
    if isinstance(before, Members) and len(kept) and kept[-1] == (MARKER, str(len(before) - len(kept) + 1)):
        kept.pop()
        yield path or "$"
    elif not isinstance(before, Members) and len(kept) and kept[-1] == MARKER and (len(kept) < len(before) or before[len(kept) - 1] != MARKER) \
            and not (len(kept) == len(before) and isinstance(before[-1], str) and not isinstance(before[-1], Number)):
        kept.pop()
        yield path or "$"
    elif len(kept) != len(before):
        raise ValueError(f"{path}: {len(before)} became {len(kept)}")
    for i, (old, new) in enumerate(zip(before, kept)):
        if isinstance(before, Members):
            if old[0] != new[0]:
                raise ValueError(f"{path}: {old[0]} became {new[0]}")
            yield from differences(old[1], new[1], step(path, old[0]))
        else:
            yield from differences(old, new, step(path, i))


def check(text, limit, answer, redaction=True):
    """What is wrong with the answer, "" when nothing is; and whether strings alone did it, None when nothing was cut."""
    if list(answer) != ["object", "truncated", "truncated_fields"]:
        return "other members", None
    value, whole = document(text, redaction), answer["object"]
    if size(whole) > limit:
        return f"{size(whole)} bytes", None
    if size(stored(value)) <= limit:
        fine = (whole, answer["truncated"], answer["truncated_fields"]) == (stored(value), False, [])
        return "" if fine else f"nothing was to be cut: {stored(value)}", None
    most = greatest(value, limit)
    if most and whole != stored(value, most):
        return f"L = {most}: {stored(value, most)}", True
    try:
        paths = list(dict.fromkeys(differences(value, parse(whole))))
    except ValueError as error:
        return str(error), most is not None
    if not answer["truncated"] or answer["truncated_fields"] != paths:
        return f"paths: {paths}", most is not None
    return "", most is not None
