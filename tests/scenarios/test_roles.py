# SPDX-License-Identifier: Apache-2.0
"""Every operation of the OpenAPI document (which a unit test compares with the table of routes) with every role, without a
token and with tokens that are no longer good (API-02, rulings section 2 "Roles")."""
import re
import time

import openapi_check
from harness import ServerCase, wait_until

MAY = {"viewer": {"public", "self", "read"}, "operator": {"public", "self", "read", "operate"}, "auditor": {"public", "self", "read", "audit"},
       "admin": {"public", "self", "read", "operate", "audit", "admin"}}


class Roles(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tokens = {}
        for role in MAY:
            made = cls.server.post("/tokens", {"name": role, "role": role})
            cls.tokens[role] = made.data["token"]

    def call(self, method, template, **options):
        """With things that do not exist and no body: nothing changes, whoever is allowed. Streams are asked for their head only."""
        path = re.sub(r"\{[^}]*\}", "nobody", template)
        return self.server.request("HEAD" if template.endswith("/stream") else method, path, **options)

    def test_each_role_may_call_what_it_may(self):
        operations = list(openapi_check.operations())
        self.assertGreater(len(operations), 45)
        for method, template, operation in operations:
            needed = operation["x-permission"]
            for role, allowed in MAY.items():
                with self.subTest(operation=f"{method} {template}", role=role):
                    answer = self.call(method, template, token=self.tokens[role])
                    self.assertNotEqual(answer.status, 401)
                    self.assertEqual(answer.status == 403, needed not in allowed, answer.body)
                    if answer.status == 403:
                        self.assertEqual(answer.json, {"error": "Forbidden", "code": "FORBIDDEN"})

    def test_without_a_good_token_only_public_ones_answer(self):
        revoked = self.server.post("/tokens", {"name": "revoked", "role": "admin"}).data
        self.server.request("DELETE", f"/tokens/{revoked['id']}")
        expired = self.server.post("/tokens", {"name": "expired", "role": "admin", "expires_at": int(time.time() * 1000) + 400}).data["token"]
        self.assertEqual(self.server.get("/auth/me", token=expired).status, 200)
        wait_until("the token to expire", lambda: self.server.get("/auth/me", token=expired).status == 401)
        for method, template, operation in openapi_check.operations():
            public = operation["x-permission"] == "public"
            self.assertEqual(operation.get("security") == [], public)
            for token in (None, "nonsense", "x" * 5000, revoked["token"], expired):
                with self.subTest(operation=f"{method} {template}", token=str(token)[:10]):
                    answer = self.call(method, template, token=token)
                    if not public:
                        self.assert_error(answer, 401, "UNAUTHORIZED") if not template.endswith("/stream") else self.assertEqual(answer.status, 401)
                        self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
                    else:
                        self.assertNotIn(answer.status, (401, 403))

    def test_forms_of_the_authorization(self):
        token = self.tokens["viewer"]
        for value, status in [(f"Bearer {token}", 200), (f"bearer {token}", 200), (f"Bearer  {token}", 200), (f"Basic {token}", 401), ("Bearer", 401), ("Bearer ", 401), (token, 401),
                              (f"Bearer {token} x", 401), (f"Bearer\t{token}", 401), (f"Bearer {token[:-1]}", 401), (f"Bearer {token}x", 401), (f"Bearer {token.swapcase()}", 401)]:
            answer = self.server.get("/auth/me", token=None, headers={"Authorization": value})
            self.assertEqual(answer.status, status, value[:12])
            if status == 401:
                self.assertEqual(answer.json, {"error": "Unauthorized", "code": "UNAUTHORIZED"})

    def test_a_change_by_cookie_needs_its_header_for_every_operation(self):
        cookie = self.server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None).headers["Set-Cookie"].split(";")[0]
        for method, template, operation in openapi_check.operations():
            if operation["x-permission"] == "public":
                continue
            with self.subTest(operation=f"{method} {template}"):
                answer = self.call(method, template, token=None, headers={"Cookie": cookie})
                self.assertEqual(answer.status == 403, method != "GET", answer.body)
                if template.endswith("/logout"):
                    continue  # it would end the session
                self.assertNotIn(self.call(method, template, token=None, headers={"Cookie": f"a=b; {cookie}; c=d", "X-Horae-CSRF": "1"}).status, (401, 403))
