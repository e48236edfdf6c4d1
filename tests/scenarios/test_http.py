# SPDX-License-Identifier: Apache-2.0
"""Every kind of bad request (contract section 3, rulings section 2 "Codes" and the framing rule)."""
import json
import socket

from harness import ADMIN_TOKEN, ServerCase


class BadRequests(ServerCase):
    def raw(self, text, read_all=True):
        """Sends bytes as they are; returns (status, headers and body) of the first answer, or (0, "")."""
        host, port = self.server.host.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(text.encode("latin-1") if isinstance(text, str) else text)
            data = b""
            while read_all:
                try:
                    chunk = connection.recv(65536)
                except ConnectionResetError:
                    break
                if not chunk:
                    break
                data += chunk
        status = int(data.split()[1]) if data.startswith(b"HTTP/") else 0
        return status, data.decode("latin-1")

    def head(self, *lines):
        return "\r\n".join(lines) + "\r\n\r\n"

    def test_ambiguous_framing_is_refused_and_the_connection_closed(self):
        auth = f"Authorization: Bearer {ADMIN_TOKEN}"
        cases = [
            self.head("POST /api/v1/scheduler/tasks HTTP/1.1", "Host: x", auth, "Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n",
            self.head("POST /api/v1/scheduler/tasks HTTP/1.1", "Host: x", auth, "Content-Length: 5", "Content-Length: 6") + "{}",
            self.head("GET /api/v1/scheduler/tasks HTTP/1.1", auth),
        ]
        for text in cases:
            with self.subTest(text=text[:60]):
                status, answer = self.raw(text)
                self.assertEqual(status, 400, answer)
                self.assertIn("connection: close", answer.lower())

    def test_unknown_paths_and_methods(self):
        self.assert_error(self.server.get("/nothing"), 404, "NOT_FOUND")
        self.assert_error(self.server.get("/scheduler/tasks/"), 404, "NOT_FOUND")
        answer = self.server.request("DELETE", "/scheduler/tasks")
        self.assert_error(answer, 405, "METHOD_NOT_ALLOWED")
        self.assertEqual(answer.headers["Allow"], "GET, HEAD, POST")

    def test_bodies_that_are_not_what_they_should_be(self):
        path = "/scheduler/tasks"
        typed = {"Content-Type": "application/json"}
        self.assert_error(self.server.post(path), 400, "INVALID_JSON")
        for raw in (b"{", b"nonsense", b"{} {}", b"\xff\xfe", b'{"name":"\xff"}', b"[" * 100 + b"]" * 100):
            self.assert_error(self.server.post(path, raw=raw, headers=typed), 400, "INVALID_JSON")
        for raw in (b"[]", b"1", b"null", b'"text"'):
            self.assert_error(self.server.post(path, raw=raw, headers=typed), 400, "INVALID_PARAMETER")
        self.assert_error(self.server.post(path, raw=b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"}), 415, "UNSUPPORTED_MEDIA_TYPE")
        self.assert_error(self.server.post(path, raw=b'{"name":"a","name":"b","type":"noop"}', headers=typed), 400, "INVALID_PARAMETER", "name")
        self.assert_error(self.server.post("/scheduler/tasks/execution_cleanup/enable", {"x": 1}), 400, "INVALID_PARAMETER")

    def test_a_body_over_the_limit_is_413(self):
        big = json.dumps({"name": "big", "type": "noop", "description": "x" * (1 << 20)}).encode()
        self.assert_error(self.server.post("/scheduler/tasks", raw=big, headers={"Content-Type": "application/json"}), 413, "PAYLOAD_TOO_LARGE")
        chunked = self.head("POST /api/v1/scheduler/tasks HTTP/1.1", "Host: x", f"Authorization: Bearer {ADMIN_TOKEN}",
                            "Content-Type: application/json", "Connection: close", "Transfer-Encoding: chunked")
        body = "".join(f"{65536:x}\r\n{'x' * 65536}\r\n" for _ in range(20)) + "0\r\n\r\n"
        self.assertEqual(self.raw(chunked + body)[0], 413)

    def test_bad_escapes_are_refused(self):
        for path in ("/api/v1/scheduler/tasks/%zz", "/api/v1/scheduler/tasks/%00", "/api/v1/scheduler/tasks/%ff", "/api/v1/scheduler/tasks?name=%"):
            self.assertEqual(self.server.get(path).status, 400, path)

    def test_request_ids_are_echoed_when_they_are_sane(self):
        self.assertEqual(self.server.get("/healthz", headers={"X-Request-Id": "abc-123"}).headers["X-Request-Id"], "abc-123")
        for bad in ("x" * 129, "a b", "a\"b"):
            self.assertNotEqual(self.server.get("/healthz", headers={"X-Request-Id": bad}).headers["X-Request-Id"], bad)
        self.assertEqual(len(self.server.get("/nothing").headers["X-Request-Id"]), 36)

    def test_head_is_get_without_a_body(self):
        status, answer = self.raw(self.head("HEAD /healthz HTTP/1.1", "Host: x", "Connection: close"))
        self.assertEqual((status, answer.split("\r\n\r\n", 1)[1]), (200, ""))

    def test_idempotency_keys_must_be_plain(self):
        answer = self.server.post("/scheduler/tasks", {"name": "k", "type": "noop"}, headers={"Idempotency-Key": "x" * 256})
        self.assert_error(answer, 400, "INVALID_PARAMETER", "Idempotency-Key")

    def test_random_bytes_do_not_harm_the_server(self):
        import random

        generator = random.Random(20261124)
        for _ in range(50):
            self.raw(bytes(generator.randrange(256) for _ in range(generator.randrange(1, 400))) + b"\r\n\r\n", read_all=False)
        self.assertEqual(self.server.get("/healthz").status, 200)


class ManyConnections(ServerCase):
    arguments = ("--max-connections", "16")

    def test_beyond_the_limit_the_oldest_idle_connection_is_closed(self):
        host, port = self.server.host.split(":")
        idle = [socket.create_connection((host, int(port)), timeout=10) for _ in range(40)]
        try:
            self.assertEqual(self.server.get("/healthz").status, 200)
            idle[0].settimeout(10)
            self.assertEqual(idle[0].recv(1), b"")
        finally:
            for connection in idle:
                connection.close()
