# SPDX-License-Identifier: Apache-2.0
"""Every limit of every member of every body, and of every query parameter, that docs/openapi.yaml names: at it, just outside,
of another type, unknown (DATA-01, contract section 3). A member that comes later is tried without a change here."""
import itertools
import json
import re
import urllib.parse

import openapi_check
from harness import ServerCase

UUID = "01a20d75-160c-74d2-baae-92df640c717c"
# What is good at its limit also by its meaning.
MEANING = {
    "cron_expr": "0 0 1 1 *".ljust(255), "calendar": None, "data": json.dumps({"result": "x" * 10226}), "override_data": json.dumps({"result": "x" * 10226}),
    "timezone": "Europe/Paris", "client_ip": "2001:db8::1", "task_uid": "subject", "topics": None, "since": None, "cursor": None, "label": "n" * 63 + "=" + "v" * 255,
}
OTHER_TYPES = {"string": (5, True, [], {}), "integer": ("5", 1.5, True, [], {}, 1e300), "boolean": ("true", 1, [], {}), "array": ("x", 5, {}), "object": ("x", 5, [])}


def merged(schema):
    schema = openapi_check.resolve(schema)
    for part in schema.get("allOf", ()):
        schema = {**openapi_check.resolve(part), **schema}
    return schema


def at_limits(name, schema):
    """Values that are allowed."""
    kind = schema.get("type")
    if "enum" in schema:
        yield from schema["enum"]
    elif name in MEANING and kind == "string":
        if MEANING[name]:
            yield MEANING[name]
    elif kind == "integer":
        yield from (schema[limit] for limit in ("minimum", "maximum") if limit in schema)
    elif kind == "string":
        yield from ("x" * schema[limit] for limit in ("minLength", "maxLength") if limit in schema)
    elif kind == "boolean":
        yield from (True, False)
    if schema.get("nullable"):
        yield None


def outside(schema):
    """Values that are not allowed."""
    kind = schema.get("type")
    if kind == "integer":
        yield from (value for limit, step in (("minimum", -1), ("maximum", 1)) if limit in schema for value in (schema[limit] + step, step * 2**63 * 2))
    if kind == "string" and "enum" in schema:
        named = [value for value in schema["enum"] if value]
        yield from ("", "nonsense", named[0] + "x", named[-1].upper())
    elif kind == "string":
        yield from ("x" * size for size in (schema.get("minLength", 0) - 1, schema.get("maxLength", 10**9) + 1) if 0 <= size < 10**9)
    yield from OTHER_TYPES.get(kind, ())
    if kind and not schema.get("nullable"):
        yield None


class Fields(ServerCase):
    number = itertools.count()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.create(name="subject", type="noop", max_concurrent=10000, overlap="queue_all")
        cls.server.create(name="edited", type="noop")
        cls.server.post("/users", {"username": "subject", "password": "12345678", "role": "viewer"})
        cls.instance = cls.server.get("/scheduler/instances").json["data"][0]["id"]

    def path(self, method, template):
        if "{" not in template:
            return template
        if "/executions/" in template:
            uid = self.server.post("/scheduler/executions", {"task_uid": "subject", "items": [{"run_at": "2100-01-01T00:00:00Z"}]}).json["execution_uids"][0]
            return re.sub(r"\{.*\}", uid, template)
        if "/instances/" in template:
            return template.replace("{id}", self.instance)
        return re.sub(r"\{.*\}", "subject" if method == "GET" or "trigger" in template or "/users/" in template else "edited", template)

    def good_body(self, template, method):
        """The least that is accepted; names are new ones."""
        fresh = f"made-{next(self.number)}"
        if template.endswith("/users"):
            return {"username": fresh, "password": "12345678", "role": "viewer"}
        if "/users/" in template:
            return {"role": "viewer"}
        if template.endswith("/tokens"):
            return {"name": fresh, "role": "viewer"}
        if template.endswith("/scheduler/tasks"):
            return {"name": fresh, "type": "noop"}
        if template.endswith("/tasks/{id}"):
            return {"name": "edited", "type": "noop"} if method == "PUT" else {}
        if template.endswith("/scheduler/executions"):
            return {"task_uid": "subject", "items": [{}]}
        if template.endswith("/scheduler/config"):
            return {"log_retention_days": 30}
        if template.endswith("/audit/config"):
            return {"retention_days": 90}
        if template.endswith("/audit/events"):
            return {"action": "created", "resource": {"type": "pod", "identifier": fresh}, "user": {"uid": "u", "username": "u", "type": "user"}}
        if template.endswith("/auth/password"):
            return {"current_password": "correct horse", "new_password": "correct horse"}
        return {}

    def bodies(self):
        for method, template, operation in openapi_check.operations():
            if "requestBody" in operation and not template.endswith(("/auth/login", "/auth/refresh")):  # throttled: test_access.py
                schema = merged(openapi_check.resolve(operation["requestBody"])["content"]["application/json"]["schema"])
                if "oneOf" in schema:  # one, or an array of them
                    schema = merged(schema["oneOf"][0])
                yield method, template, schema

    def send(self, method, template, body):
        return self.server.request(method, self.path(method, template), body)

    def refused(self, answer, name, value):
        self.assertEqual(answer.status, 400, (name, str(value)[:60], answer.body))
        self.assertEqual(answer.json["code"], "INVALID_PARAMETER", (name, str(value)[:60], answer.body))
        self.assertIn(name, answer.json["params"]["param"], (str(value)[:60], answer.body))

    def test_every_member_outside_its_limits_is_refused_by_name(self):
        tried = 0
        for method, template, schema in self.bodies():
            for name, member in schema["properties"].items():
                member = merged(member)
                if member.get("readOnly"):
                    continue
                with self.subTest(operation=f"{method} {template}", member=name):
                    for value in outside(member):
                        self.refused(self.send(method, template, {**self.good_body(template, method), name: value}), name, value)
                        tried += 1
            with self.subTest(operation=f"{method} {template}", member="unknown"):
                self.refused(self.send(method, template, {**self.good_body(template, method), "nonsense": 1}), "nonsense", 1)
        self.assertGreater(tried, 500)

    def test_every_member_at_its_limits_is_accepted(self):
        tried = 0
        for method, template, schema in self.bodies():
            if template.endswith(("/auth/password", "/drain")):  # would change who signs in, and who runs
                continue
            for name, member in schema["properties"].items():
                member = merged(member)
                if member.get("readOnly") or name in ("type", "version", "items", "username", "name", "task_uid", "role", "timeout_grace_period", "is_recurring"):  # by their meaning: test_limits.py, test_tasks.py, test_access.py
                    continue
                with self.subTest(operation=f"{method} {template}", member=name):
                    for value in at_limits(name, member):
                        answer = self.send(method, template, {**self.good_body(template, method), name: value})
                        self.assertIn(answer.status, (200, 201, 202), (str(value)[:60], answer.body))
                        tried += 1
        self.assertGreater(tried, 100)

    def test_every_parameter_of_a_query(self):
        tried = 0
        for method, template, operation in openapi_check.operations():
            if template.endswith("/stream"):  # its answer does not end: test_events.py
                continue
            for parameter in openapi_check.parameters_of(template, operation):
                if parameter["in"] != "query":
                    continue
                name, schema = parameter["name"], merged(parameter["schema"])
                texts = [value for value in outside(schema) if isinstance(value, (str, int)) and not isinstance(value, bool) and (schema.get("type") != "string" or isinstance(value, str))]
                with self.subTest(operation=f"{method} {template}", parameter=name):
                    for value in (*texts, *(["nonsense", ""] if schema.get("type") != "string" else [])):
                        if (schema.get("type"), value) in (("integer", "5"), ("boolean", "true")):  # texts are what a query consists of
                            continue
                        path = f"{self.path(method, template)}?{urllib.parse.urlencode({name: value})}"
                        self.refused(self.server.request(method, path), name, value)
                        tried += 1
            with self.subTest(operation=f"{method} {template}", parameter="unknown"):
                answer = self.server.request(method, self.path(method, template) + "?nonsense=1")
                if template in ("/healthz", "/readyz", "/metrics", "/"):
                    continue
                self.refused(answer, "nonsense", 1)
        self.assertGreater(tried, 100)
