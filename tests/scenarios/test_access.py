# SPDX-License-Identifier: Apache-2.0
"""Who may do what: API-02, API-03, rulings section 2 (roles, paths, cookies, throttling)."""
import os
import stat

from harness import ADMIN_TOKEN, Server, ServerCase


class Access(ServerCase):
    def login(self, username="admin", password="correct horse", **kwargs):
        return self.server.post("/auth/login", {"username": username, "password": password}, token=None, **kwargs)

    def add_user(self, name, role):
        answer = self.server.post("/users", {"username": name, "password": "pass word " + name, "role": role})
        self.assertEqual(answer.status, 201, answer.body)
        return self.login(name, "pass word " + name).data["access_token"]

    def test_without_a_token_nothing_but_probes_answers(self):
        for path in ("/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/"):
            self.assertEqual(self.server.get(path, token=None).status, 200, path)
        for token in (None, "wrong", "x" * 700):
            answer = self.server.get("/scheduler/tasks", token=token)
            self.assert_error(answer, 401, "UNAUTHORIZED")
            self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")

    def test_login_refresh_me_logout(self):
        data = self.login().data
        self.assertEqual(self.server.get("/auth/me", token=data["access_token"]).data["username"], "admin")
        fresh = self.server.post("/auth/refresh", {"refresh_token": data["refresh_token"]}, token=None)
        self.assertEqual(fresh.status, 200, fresh.body)
        self.assert_error(self.server.get("/auth/me", token=data["access_token"]), 401, "UNAUTHORIZED")
        self.assert_error(self.server.post("/auth/refresh", {"refresh_token": data["refresh_token"]}, token=None), 401, "UNAUTHORIZED")
        token = fresh.data["access_token"]
        self.assertEqual(self.server.post("/auth/logout", token=token).status, 200)
        self.assert_error(self.server.get("/auth/me", token=token), 401, "UNAUTHORIZED")

    def test_the_cookie_works_and_mutations_need_the_csrf_header(self):
        cookie = self.login().headers["Set-Cookie"]
        for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(part, cookie)
        headers = {"Cookie": cookie.split(";")[0]}
        self.assertEqual(self.server.get("/auth/me", token=None, headers=headers).status, 200)
        body = {"name": "by-cookie", "type": "noop"}
        self.assert_error(self.server.post("/scheduler/tasks", body, token=None, headers=headers), 403, "FORBIDDEN")
        self.assertEqual(self.server.post("/scheduler/tasks", body, token=None, headers={**headers, "X-Horae-CSRF": "1"}).status, 201)

    def test_roles_may_what_they_may(self):
        viewer, operator, auditor = (self.add_user(name, name) for name in ("viewer", "operator", "auditor"))
        body = {"name": "by-role", "type": "noop"}
        for token in (viewer, auditor):
            self.assertEqual(self.server.get("/scheduler/tasks", token=token).status, 200)
            self.assert_error(self.server.post("/scheduler/tasks", body, token=token), 403, "FORBIDDEN")
        self.assertEqual(self.server.post("/scheduler/tasks", body, token=operator).status, 201)
        self.assert_error(self.server.request("PUT", "/scheduler/config", {"execution_retention_days": 5}, token=operator), 403, "FORBIDDEN")
        self.assert_error(self.server.get("/users", token=operator), 403, "FORBIDDEN")

    def test_users_are_changed_and_the_last_administrator_stays(self):
        token = self.add_user("changing", "viewer")
        self.assertEqual(self.server.request("PATCH", "/users/changing", {"role": "operator"}).data["role"], "operator")
        self.assertEqual(self.server.post("/scheduler/tasks", {"name": "promoted", "type": "noop"}, token=token).status, 201)
        self.server.request("PATCH", "/users/changing", {"enabled": False})
        self.assert_error(self.server.get("/auth/me", token=token), 401, "UNAUTHORIZED")
        self.assert_error(self.server.request("DELETE", "/users/admin"), 409, "CONFLICT")
        self.assert_error(self.server.request("PATCH", "/users/admin", {"role": "viewer"}), 409, "CONFLICT")
        self.assert_error(self.server.post("/users", {"username": "changing", "password": "long enough", "role": "viewer"}), 409, "CONFLICT", "username")
        self.assert_error(self.server.post("/users", {"username": "x", "password": "short", "role": "viewer"}), 400, "INVALID_PARAMETER", "password")
        self.assertEqual(self.server.request("DELETE", "/users/changing").status, 204)

    def test_a_password_is_changed_by_its_owner(self):
        token = self.add_user("owner", "viewer")
        wrong = self.server.post("/auth/password", {"current_password": "no", "new_password": "another one"}, token=token)
        self.assert_error(wrong, 400, "INVALID_PARAMETER", "current_password")
        done = self.server.post("/auth/password", {"current_password": "pass word owner", "new_password": "another one"}, token=token)
        self.assertEqual(done.status, 200)
        self.assert_error(self.server.get("/auth/me", token=token), 401, "UNAUTHORIZED")
        self.assertEqual(self.login("owner", "another one").status, 200)

    def test_api_tokens_have_a_role_are_shown_once_and_can_be_revoked(self):
        made = self.server.post("/tokens", {"name": "ci", "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"})
        self.assertEqual(made.status, 201)
        token, uid = made.data["token"], made.data["id"]
        self.assertEqual(self.server.get("/scheduler/tasks", token=token).status, 200)
        self.assert_error(self.server.post("/scheduler/tasks", {"name": "t", "type": "noop"}, token=token), 403, "FORBIDDEN")
        shown = self.server.get(f"/tokens/{uid}").data
        self.assertNotIn("token", shown)
        self.assert_error(self.server.post("/tokens", {"name": "old", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}), 400, "INVALID_PARAMETER", "expires_at")
        self.assertEqual(self.server.request("DELETE", f"/tokens/{uid}").status, 204)
        self.assert_error(self.server.get("/scheduler/tasks", token=token), 401, "UNAUTHORIZED")

    def test_secrets_lie_in_private_files_and_not_in_the_database(self):
        path = os.path.join(self.server.folder, "cli-token")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="utf-8") as file:
            token = file.read().strip()
        self.assertEqual(self.server.get("/users", token=token).status, 200)
        access = self.login().data["access_token"].encode()
        once = {"Idempotency-Key": "kept-for-repeats"}
        made = self.server.post("/tokens", {"name": "hidden", "role": "viewer"}, headers=once).data["token"].encode()
        self.server.post("/users", {"username": "hidden", "password": "hidden password", "role": "viewer"}, headers={"Idempotency-Key": "another"})
        for name in os.listdir(self.server.folder):
            if name.startswith("horae.db"):
                with open(os.path.join(self.server.folder, name), "rb") as file:
                    content = file.read()
                for secret in (access, made, b"correct horse", b"hidden password", once["Idempotency-Key"].encode()):
                    self.assertNotIn(secret, content)


class Throttling(ServerCase):
    def test_failed_sign_ins_are_throttled_and_do_not_tell_who_exists(self):
        answers = [self.server.post("/auth/login", {"username": name, "password": "wrong"}, token=None)
                   for name in ("admin", "nobody", "admin", "nobody", "admin")]
        self.assertEqual({(a.status, a.json["error"]) for a in answers}, {(401, answers[0].json["error"])})
        blocked = self.server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None)
        self.assert_error(blocked, 429, "RATE_LIMITED")
        self.assertGreaterEqual(int(blocked.headers["Retry-After"]), 1)


class FirstStart(ServerCase):
    env = {"HORAE_ADMIN_PASSWORD": ""}

    def test_a_random_password_is_written_once(self):
        path = os.path.join(self.server.folder, "admin-password")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="utf-8") as file:
            password = file.read().strip()
        answer = self.server.post("/auth/login", {"username": "admin", "password": password}, token=None)
        self.assertEqual(answer.status, 200)
        os.unlink(path)
        self.server.stop()
        self.server.start()
        self.assertFalse(os.path.exists(path))
        self.assertEqual(self.server.get("/auth/me", token=answer.data["access_token"]).status, 200)  # sessions survive


class SecondServer(ServerCase):
    def test_a_second_server_on_the_same_file_is_refused_and_told_who_holds_it(self):
        with self.assertRaises(AssertionError) as caught:
            Server(data=self.server.folder)
        self.assertIn(str(self.server.process.pid), str(caught.exception))
        self.assertEqual(self.server.get("/scheduler/tasks", token=ADMIN_TOKEN).status, 200)
