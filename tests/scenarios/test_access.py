# SPDX-License-Identifier: Apache-2.0
"""Who may do what: API-02, API-03, rulings section 2 (roles, paths, cookies, throttling)."""
import glob
import os
import stat

from harness import ADMIN_TOKEN, Server, ServerCase, wait_until


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
        for path in glob.glob(f"{self.server.folder}/horae.db*/*") + glob.glob(f"{self.server.folder}/horae.db*"):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
                for secret in (access, made, b"correct horse", b"hidden password", once["Idempotency-Key"].encode()):
                    self.assertNotIn(secret, content)

    def test_users_are_listed_shown_and_put_back(self):
        self.add_user("listed", "viewer")
        user = self.server.get("/users/listed").data
        self.assertEqual(self.server.get(f"/users/{user['uid']}").data, user)
        self.assertIsNotNone(user["last_login_at"])
        self.assertNotIn("password", str(user))
        put = self.server.request("PUT", "/users/listed", user)  # GET, edit, PUT works
        self.assertEqual((put.status, put.data["username"]), (200, "listed"))
        self.assert_error(self.server.request("PATCH", "/users/listed", {"username": "other"}), 400, "INVALID_PARAMETER", "username")
        for path in ("/users/nobody", "/users/01a20d75-160c-74d2-baae-92df640c717c"):
            for method, body in (("GET", None), ("PATCH", {"enabled": True}), ("DELETE", None)):
                self.assert_error(self.server.request(method, path, body), 404, "NOT_FOUND")

    def test_what_users_and_tokens_may_be(self):
        good = {"username": "q", "password": "12345678", "role": "viewer"}
        for change, param in [({"username": ""}, "username"), ({"username": "u" * 65}, "username"), ({"username": "a b"}, "username"), ({"username": "a/b"}, "username"),
                              ({"username": "a:b"}, "username"), ({"username": "a\x7f"}, "username"), ({"username": "01a20d75-160c-74d2-baae-92df640c717c"}, "username"),
                              ({"username": None}, "username"), ({"password": "1234567"}, "password"), ({"password": "x" * 1025}, "password"), ({"role": "root"}, "role"),
                              ({"role": None}, "role"), ({"enabled": 1}, "enabled"), ({"other": 1}, "other")]:
            self.assert_error(self.server.post("/users", {**good, **change}), 400, "INVALID_PARAMETER", param)
        for name in ("u" * 64, "é@example.org", good["username"]):
            self.assertEqual(self.server.post("/users", {**good, "username": name}).status, 201)
        token = {"name": "t", "role": "viewer"}
        for change, param in [({"name": ""}, "name"), ({"name": "n" * 256}, "name"), ({"role": "root"}, "role"), ({"expires_at": "soon"}, "expires_at"), ({"expires_at": 1}, "expires_at"),
                              ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"), ({"other": 1}, "other")]:
            self.assert_error(self.server.post("/tokens", {**token, **change}), 400, "INVALID_PARAMETER", param)
        self.assertEqual(self.server.post("/tokens", {**token, "name": "n" * 255, "expires_at": None}).status, 201)
        for body, param in [({}, "username"), ({"username": "a"}, "password"), ({"username": 1, "password": "b"}, "username"), ({"username": "a", "password": "b", "other": 1}, "other"),
                            ({"username": "a", "password": "x" * 1025}, "password")]:
            self.assert_error(self.server.post("/auth/login", body, token=None), 400, "INVALID_PARAMETER", param)

    def test_the_use_of_a_token_is_noted(self):
        made = self.server.post("/tokens", {"name": "used", "role": "operator"}).data
        self.assertIsNone(made["last_used_at"])
        self.assertEqual(self.server.get("/auth/me", token=made["token"]).data, {"uid": made["id"], "username": "used", "type": "token", "role": "operator"})
        wait_until("the note", lambda: self.server.get(f"/tokens/{made['id']}").data["last_used_at"])
        self.assertEqual(self.server.post("/auth/logout", token=made["token"]).status, 200)  # ends sessions, not tokens
        self.assertEqual(self.server.get("/auth/me", token=made["token"]).status, 200)
        self.assert_error(self.server.post("/auth/password", {"current_password": "x", "new_password": "long enough"}, token=made["token"]), 409, "CONFLICT")

    def test_tokens_of_one_kind_are_not_taken_for_another(self):
        data = self.login().data
        self.assert_error(self.server.get("/auth/me", token=data["refresh_token"]), 401, "UNAUTHORIZED")
        for wrong in (data["access_token"], "x", data["refresh_token"] + "x"):
            self.assert_error(self.server.post("/auth/refresh", {"refresh_token": wrong}, token=None), 401, "UNAUTHORIZED")
        self.assert_error(self.server.get("/auth/me", token="bad", headers={"Cookie": "horae_session=" + data["access_token"]}), 401, "UNAUTHORIZED")

    def test_logout_ends_the_session_and_its_cookie(self):
        answer = self.login()
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        out = self.server.post("/auth/logout", token=None, headers={"Cookie": cookie, "X-Horae-CSRF": "1"})
        self.assertIn("Max-Age=0", out.headers["Set-Cookie"])
        self.assert_error(self.server.get("/auth/me", token=None, headers={"Cookie": cookie}), 401, "UNAUTHORIZED")
        self.assert_error(self.server.post("/auth/refresh", {"refresh_token": answer.data["refresh_token"]}, token=None), 401, "UNAUTHORIZED")

    def test_a_deleted_or_disabled_user_is_out_at_once(self):
        for way in ("DELETE", "PATCH"):
            name = "leaving-" + way.lower()
            self.add_user(name, "operator")
            session = self.login(name, "pass word " + name).data
            self.assertEqual(self.server.get("/auth/me", token=session["access_token"]).status, 200)
            self.server.request(way, f"/users/{name}", {"enabled": False} if way == "PATCH" else None)
            self.assert_error(self.server.get("/auth/me", token=session["access_token"]), 401, "UNAUTHORIZED")
            self.assert_error(self.server.post("/auth/refresh", {"refresh_token": session["refresh_token"]}, token=None), 401, "UNAUTHORIZED")
            self.assert_error(self.login(name, "pass word " + name), 401, "UNAUTHORIZED")


class Expiry(ServerCase):
    def test_sessions_end_by_time(self):
        clock = self.server.folder + "/clock"

        def set_clock(seconds):
            with open(clock, "w", encoding="ascii") as file:
                file.write(str(seconds))

        set_clock(0)
        server = Server(env={"HORAE_TEST_CLOCK_FILE": clock})
        try:
            data = server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None).data
            self.assertEqual(server.get("/auth/me", token=data["access_token"]).status, 200)
            set_clock(3700)  # an hour
            wait_until("the access token to expire", lambda: server.get("/auth/me", token=data["access_token"]).status == 401)
            fresh = server.post("/auth/refresh", {"refresh_token": data["refresh_token"]}, token=None).data
            self.assertEqual(server.get("/auth/me", token=fresh["access_token"]).status, 200)
            set_clock(31 * 86400)
            wait_until("the refresh token to expire", lambda: server.post("/auth/refresh", {"refresh_token": fresh["refresh_token"]}, token=None).status == 401)
        finally:
            server.remove()


class Throttling(ServerCase):
    def test_failed_sign_ins_are_throttled_and_do_not_tell_who_exists(self):
        answers = [self.server.post("/auth/login", {"username": name, "password": "wrong"}, token=None)
                   for name in ("admin", "nobody", "admin", "nobody", "admin")]
        self.assertEqual({(a.status, a.json["error"]) for a in answers}, {(401, answers[0].json["error"])})
        blocked = self.server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None)
        self.assert_error(blocked, 429, "RATE_LIMITED")
        wait = int(blocked.headers["Retry-After"])
        self.assertGreaterEqual(wait, 1)
        self.assertIn(f"{wait} s", blocked.json["error"])
        self.assert_error(self.server.post("/auth/login", {"username": "someone else", "password": "x"}, token=None), 429, "RATE_LIMITED")  # the address too
        self.assertEqual(self.server.get("/auth/me").status, 200)  # tokens are not held up
        again = wait_until("the wait to pass", lambda: (found := self.server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None)).status != 429 and found)
        self.assertEqual(again.status, 200)


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
