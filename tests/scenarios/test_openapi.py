# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document (API-01), and the check that every answer of every scenario goes through: it must be able to fail."""
import copy
import json
from unittest import mock

import openapi_check
import openapi_rules
from harness import Answer, ServerCase


class Document(ServerCase):
    def test_it_is_valid_openapi_3_0(self):
        self.assertEqual(openapi_rules.problems(openapi_check.document()), [])

    def test_the_rules_find_what_is_wrong(self):
        breaks = [
            lambda d: d.pop("info"), lambda d: d.update(openapi="3.1.0"), lambda d: d.update(nonsense=1), lambda d: d["info"].pop("version"),
            lambda d: d["paths"]["/healthz"]["get"].pop("responses"), lambda d: d["paths"]["/healthz"]["get"]["responses"].update({"20": {"description": "x"}}),
            lambda d: d["paths"]["/healthz"]["get"].update(operationId="getStats"), lambda d: d["paths"]["/api/v1/scheduler/tasks/{id}"].pop("parameters"),
            lambda d: d["components"]["schemas"]["Error"].update(type="map"), lambda d: d["components"]["schemas"]["Error"]["required"].append("other"),
            lambda d: d["components"]["parameters"]["id"].update(required=False), lambda d: d["components"]["responses"]["Gone"].pop("description"),
            lambda d: d["components"]["schemas"]["User"]["properties"].update(uid={"$ref": "#/components/schemas/Nothing"}),
            lambda d: d["components"]["securitySchemes"]["cookie"].pop("name"), lambda d: d["paths"]["/healthz"]["get"].update(security=[{"key": []}]),
        ]
        for index, change in enumerate(breaks):
            with self.subTest(break_number=index):
                document = copy.deepcopy(json.loads(json.dumps(openapi_check.document())))
                change(document)
                self.assertTrue(openapi_rules.problems(document))

    def test_every_object_is_closed_and_every_part_is_used(self):
        self.assertEqual(openapi_rules.open_objects(openapi_check.document()), [])

    def test_no_operation_has_a_default_answer(self):
        for method, template, operation in openapi_check.operations():
            self.assertNotIn("default", operation["responses"], f"{method} {template}")

    def test_the_server_serves_the_same_document(self):
        served = self.server.get("/openapi.json", token=None)
        self.assertEqual(served.json, json.loads(json.dumps(openapi_check.document())))


class TheCheck(ServerCase):
    """Each change to a real answer, or to the document under it, must be found."""

    def exchange(self, method, path, body=None):
        answer = self.server.request(method, path, body)
        return method, "/api/v1" + path, answer, json.dumps(body).encode() if body is not None else None

    def refuse(self, exchange, **changes):
        method, path, answer, body = exchange
        changed = Answer(changes.get("status", answer.status), changes.get("headers", answer.headers), changes.get("body", answer.body))
        with self.assertRaises(AssertionError):
            openapi_check.check(method, changes.get("path", path), changed, changes.get("sent", body))

    def test_a_member_more_or_less_is_found_at_every_depth(self):
        self.server.create(name="checked", type="noop", labels={"a": "b"})
        for path in ("/scheduler/tasks", "/scheduler/tasks/checked", "/scheduler/stats", "/scheduler/locks", "/scheduler/instances", "/scheduler/config",
                     "/auth/me", "/users", "/scheduler/tasks/missing"):
            exchange = self.exchange("GET", path)
            for place in self.places(exchange[2].json):
                with self.subTest(path=path, place=place):
                    self.refuse(exchange, body=self.edited(exchange[2].json, place, lambda node: node.update(undocumented=1)))
            self.refuse(exchange, body=self.edited(exchange[2].json, [], lambda node: node.popitem()))

    def places(self, value, at=()):
        """Where objects with fixed members stand."""
        if isinstance(value, dict) and (not at or at[-1] not in ("labels",)):
            yield at
            for name, item in value.items():
                yield from self.places(item, (*at, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.places(item, (*at, index))

    def edited(self, value, place, change):
        value = copy.deepcopy(value)
        node = value
        for step in place:
            node = node[step]
        change(node)
        return json.dumps(value).encode()

    def test_a_status_a_type_a_header_and_a_wrong_value_are_found(self):
        exchange = self.exchange("GET", "/scheduler/config")
        for status in (201, 202, 204, 299, 403, 404, 418, 502):
            self.refuse(exchange, status=status)
        headers = dict(exchange[2].headers)
        self.refuse(exchange, headers={**headers, "Content-Type": "text/html"})
        self.refuse(exchange, headers={name: value for name, value in headers.items() if name != "X-Request-Id"})
        self.refuse(exchange, body=self.edited(exchange[2].json, ["data"], lambda node: node.update(log_retention_days="7")))
        self.refuse(exchange, body=b"")
        unauthorized = ("GET", "/api/v1/scheduler/config", self.server.get("/scheduler/config", token=None), None)
        self.refuse(unauthorized, headers={name: value for name, value in unauthorized[2].headers.items() if name != "WWW-Authenticate"})
        self.refuse(unauthorized, body=json.dumps({"error": "no", "code": "FORBIDDEN"}).encode())  # a code of another status
        missing = self.exchange("DELETE", "/scheduler/stats")
        self.refuse(missing, headers={**dict(missing[2].headers), "Allow": "GET"})
        self.refuse(missing, status=404)
        self.refuse(exchange, path="/api/v1/scheduler/nothing")

    def test_requests_that_are_accepted_must_be_described(self):
        exchange = self.exchange("POST", "/scheduler/tasks", {"name": "accepted", "type": "noop"})
        for sent in (b'{"name":"accepted","type":"noop","other":1}', b'{"name":"accepted"}', b'{"name":"accepted","type":"noop","max_retries":101}', None):
            self.refuse(exchange, sent=sent)
        self.refuse(self.exchange("GET", "/scheduler/tasks"), path="/api/v1/scheduler/tasks?other=1")

    def test_every_request_of_the_harness_is_checked(self):
        operation = openapi_check.document()["paths"]["/api/v1/scheduler/config"]["get"]
        with mock.patch.dict(operation["responses"], {"200": {"description": "nothing"}}):
            self.assertRaises(AssertionError, self.server.get, "/scheduler/config")
        with mock.patch.object(openapi_check, "check") as check:
            self.server.get("/scheduler/config")
        check.assert_called_once()
        self.assertEqual(self.server.get("/scheduler/config").status, 200)
