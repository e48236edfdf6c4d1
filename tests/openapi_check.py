# SPDX-License-Identifier: Apache-2.0
"""Checks exchanges with a server against docs/openapi.yaml. Of an answer: the path, the method, the status, the headers and
the media type must be described, and a JSON body must fit its schema, in which every object is closed. Of a request that
was accepted: its parameters and its body must be described too. Nothing is described by default."""
import functools
import json
import os
import re
import urllib.parse

import jsonschema
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
METHODS = ("get", "post", "put", "patch", "delete")
SEEN = set()  # (method, path template, status) of this run


@functools.lru_cache(maxsize=1)
def document():
    with open(os.path.join(ROOT, "docs", "openapi.yaml"), encoding="utf-8") as file:
        return yaml.safe_load(file)


def resolve(node):
    while "$ref" in node:
        found = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


@functools.lru_cache(maxsize=1)
def templates():
    return [(re.compile("^" + re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)) + "$"), template) for template in document()["paths"]]


def template_of(path):
    return next((template for pattern, template in templates() if pattern.match(path)), None)


def operations():
    """(method, path template, operation) of everything that is described."""
    for template, item in document()["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), template, item[method]


def parameters_of(template, operation):
    shared = document()["paths"][template].get("parameters", [])
    return [resolve(parameter) for parameter in (*shared, *operation.get("parameters", []))]


# ---- schemas ----

def to_json_schema(node):
    """OpenAPI 3.0 says `nullable` beside a type, JSON Schema says `type: [x, null]`."""
    if isinstance(node, list):
        return [to_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: to_json_schema(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") and isinstance(node.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out


@functools.lru_cache(maxsize=1)
def components():
    return to_json_schema(document()["components"])


@functools.lru_cache(maxsize=1024)
def validator(text):
    return jsonschema.Draft7Validator({**json.loads(text), "components": components()})


def forget():
    """After the document was changed in memory (tests of this check)."""
    for cached in (templates, components, validator):
        cached.cache_clear()


def misfit(schema, value):
    """What is wrong with the value, or None."""
    error = jsonschema.exceptions.best_match(validator(json.dumps(to_json_schema(schema))).iter_errors(value))
    return error and f"{error.message} at {list(error.absolute_path)}"


# ---- answers ----

def read_json(where, body):
    def once(pairs):
        assert len({name for name, _ in pairs}) == len(pairs), f"{where}: a member is there twice"
        return dict(pairs)

    def refuse(text):
        raise AssertionError(f"{where}: {text} is no JSON number")

    try:
        return json.loads(body, object_pairs_hook=once, parse_constant=refuse)
    except ValueError as error:
        raise AssertionError(f"{where}: not JSON: {error}") from error


def check_error(where, answer, code):
    body = read_json(where, answer.body)
    wrong = misfit({"$ref": "#/components/schemas/Error"}, body)
    assert not wrong, f"{where}: {wrong}"
    assert body["code"] == code, f"{where}: the code is not {code}"


def check_undescribed(method, path, template, answer):
    if answer.status == 400:  # what is wrong with the message comes before what it asks for
        check_error(path, answer, "INVALID_PARAMETER")
        return
    if template is None:
        assert answer.status == 404, f"{path} is not described, and answers {answer.status}"
        if method != "HEAD":
            check_error(path, answer, "NOT_FOUND")
        return
    allowed = [name.upper() for name in METHODS if name in document()["paths"][template]]
    allowed += ["HEAD"] if "GET" in allowed else []
    assert answer.status == 405, f"{method} {template} is not described, and answers {answer.status}"
    assert sorted((answer.headers.get("Allow") or "").split(", ")) == sorted(allowed), f"{template}: Allow is {answer.headers.get('Allow')}"
    if method != "HEAD":
        check_error(template, answer, "METHOD_NOT_ALLOWED")


def check_body(where, response, answer, is_head):
    content = response.get("content", {})
    kind = (answer.headers.get("Content-Type") or "").split(";")[0]
    if not content:
        assert not answer.body and not kind, f"{where}: a body, but none is described"
        return
    assert kind in content, f"{where}: the type {kind} is not described"
    if is_head:
        assert not answer.body, f"{where}: a body for HEAD"
    elif kind == "application/json":
        wrong = misfit(content[kind]["schema"], read_json(where, answer.body))
        assert not wrong, f"{where}: {wrong}"


def check_request(where, template, operation, query, body, kind):
    described = {parameter["name"]: parameter for parameter in parameters_of(template, operation) if parameter["in"] == "query"}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        assert name in described, f"{where}: the parameter {name} is accepted but not described"
        schema = resolve(described[name]["schema"])
        assert "enum" not in schema or value in schema["enum"], f"{where}: {name}={value} is accepted but not described"
    needed = operation.get("requestBody", {}).get("required", False)
    assert body or not needed, f"{where}: is accepted without a body"
    if not body or body.strip() == b"{}" and "requestBody" not in operation:
        return
    assert "requestBody" in operation, f"{where}: a body is accepted but not described"
    content = operation["requestBody"]["content"]
    kind = (kind or "application/json").split(";")[0].strip().lower()
    assert kind in content, f"{where}: a body of {kind} is accepted but not described"
    for text in body.splitlines() if kind == "application/x-ndjson" else [body]:
        wrong = text.strip() and misfit(content[kind]["schema"], json.loads(text))
        assert not wrong, f"{where}: accepted, but not described: {wrong}"


def check(method, target, answer, body=None, kind=None):
    """`answer` has status, headers and body (bytes); `body` and `kind` are what was sent."""
    path, _, query = target.partition("?")
    template = template_of(path)
    is_head = method == "HEAD"
    assert answer.headers.get("X-Request-Id"), f"{method} {path}: no X-Request-Id"
    known = is_head or method.lower() in METHODS and method.isupper()
    operation = template and known and document()["paths"][template].get("get" if is_head else method.lower())
    if not operation:
        check_undescribed(method, path, template, answer)
        return
    where = f"{method} {template} {answer.status}"
    response = operation["responses"].get(str(answer.status))
    assert response, f"{where}: the status is not described"
    response = resolve(response)
    for name, header in response.get("headers", {}).items():
        value = answer.headers.get(name)
        assert value is not None, f"{where}: no header {name}"
        schema = resolve(header)["schema"]
        wrong = misfit(schema, int(value) if schema["type"] == "integer" else value)
        assert not wrong, f"{where}: {name}: {wrong}"
    check_body(where, response, answer, is_head)
    if 200 <= answer.status <= 299:
        check_request(where, template, operation, query, body, kind)
    SEEN.add(("GET" if is_head else method, template, answer.status))


def unseen():
    """Successes that are described, and that no answer of this run had."""
    wanted = {(method, template, int(status)) for method, template, operation in operations() for status in operation["responses"] if status.startswith("2")}
    return sorted(wanted - SEEN)
