# SPDX-License-Identifier: Apache-2.0
"""Checks an answer against docs/openapi.yaml: the path, the method and the status must be described, and a JSON body
must fit its schema."""
import functools
import json
import os
import re

import jsonschema
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SEEN = set()  # (method, path template, status) of this run


@functools.lru_cache(maxsize=1)
def document():
    with open(os.path.join(ROOT, "docs", "openapi.yaml"), encoding="utf-8") as file:
        return yaml.safe_load(file)


@functools.lru_cache(maxsize=1)
def templates():
    found = []
    for template in document()["paths"]:
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
        found.append((re.compile(f"^{pattern}$"), template))
    return found


def to_json_schema(node):
    """OpenAPI 3.0 says `nullable`, JSON Schema says `type: [x, null]`."""
    if isinstance(node, list):
        return [to_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: to_json_schema(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") and "type" in out:
        out["type"] = [out["type"], "null"]
    return out


@functools.lru_cache(maxsize=256)
def validator(text):
    schema = json.loads(text)
    schema["components"] = to_json_schema(document().get("components", {}))
    return jsonschema.Draft7Validator(schema)


def check(method, target, answer):
    path = target.split("?", 1)[0]
    template = next((name for pattern, name in templates() if pattern.match(path)), None)
    if template is None:
        assert answer.status in (404, 400), f"{path} is not in the OpenAPI file"
        return
    described = document()["paths"][template].get(method.lower())
    if described is None:
        assert answer.status == 405, f"{method} {template} is not in the OpenAPI file (status {answer.status})"
        return
    response = described["responses"].get(str(answer.status)) or described["responses"].get("default")
    assert response, f"{method} {template}: status {answer.status} is not described"
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    SEEN.add((method, template, answer.status))
    content = response.get("content", {})
    kind = (answer.headers.get("Content-Type") or "").split(";")[0]
    if not content:
        assert not answer.body, f"{method} {template} {answer.status}: a body, but none is described"
        return
    assert kind in content, f"{method} {template} {answer.status}: {kind} is not described"
    if kind == "application/json":
        schema = json.dumps(to_json_schema(content[kind].get("schema", {})))
        error = jsonschema.exceptions.best_match(validator(schema).iter_errors(json.loads(answer.body)))
        assert error is None, f"{method} {template} {answer.status}: {error.message} at {list(error.absolute_path)}"
