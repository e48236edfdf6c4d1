# SPDX-License-Identifier: Apache-2.0
"""HTTP as bytes: well-formed, malformed, ambiguous, slow, cut off, too large, too many (contract section 3, rulings section 2
"Codes" and framing). Whatever is sent, the server goes on; each request that exists is answered in JSON with X-Request-Id, and what
is no request yet may be refused by the HTTP library in its own words (rulings section 2)."""
import gzip
import io
import json
import os
import random
import resource
import socket
import threading
import unittest
import uuid

import openapi_check
from harness import ADMIN_TOKEN, Answer, ServerCase, wait_until

AUTH = f"Authorization: Bearer {ADMIN_TOKEN}"
JSON = "Content-Type: application/json"
GET = "GET /api/v1/auth/me HTTP/1.1"
POST = "POST /api/v1/scheduler/tasks HTTP/1.1"
HOST = "Host: x"
LAST = "Connection: close"


def head(*lines):
    return "\r\n".join(lines) + "\r\n\r\n"


def as_bytes(text):
    return text.encode("latin-1") if isinstance(text, str) else text


class Headers(dict):
    def get(self, name, default=None):
        return super().get(name.lower(), default)


def read_answers(data):
    """Every answer in the bytes that a connection gave, with bodies put together; anything that is no answer fails."""
    answers, stream = [], io.BytesIO(data)
    while True:
        line = stream.readline()
        if not line:
            return answers
        version, status, reason = line.decode("latin-1").rstrip("\r\n").split(" ", 2)
        assert version == "HTTP/1.1" and reason and line.endswith(b"\r\n"), line
        headers = Headers()
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, value = line.decode("latin-1").rstrip("\r\n").split(": ", 1)
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        if int(status) == 100:
            continue
        body = stream.read(int(headers.get("Content-Length", "0")))
        assert len(body) == int(headers.get("Content-Length", "0")), "the body is cut off"
        answers.append(Answer(int(status), headers, body))


class Bytes(ServerCase):
    """Sends bytes as they are."""

    def connect(self):
        host, port = self.server.host.split(":")
        return socket.create_connection((host, int(port)), timeout=30)

    def exchange(self, text, end_of_input=False):
        """All that comes back until the server closes."""
        with self.connect() as connection:
            connection.sendall(as_bytes(text))
            if end_of_input:
                connection.shutdown(socket.SHUT_WR)
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
        return data

    def answers(self, text, **options):
        found = read_answers(self.exchange(text, **options))
        for answer in found:
            self.assertTrue(answer.headers.get("X-Request-Id"), answer.headers)
            if answer.status >= 400:
                self.assertEqual(answer.headers.get("Content-Type"), "application/json")
                self.assertTrue(answer.json["error"] and answer.json["code"])
        return found

    def answer(self, text, **options):
        found = self.answers(text, **options)
        self.assertEqual(len(found), 1, (text[:80], found and [one.status for one in found]))
        return found[0]


class Framing(Bytes):
    def refuse(self, *lines, body=""):
        """One answer of 400, and the connection is closed: what follows is not taken for a request."""
        smuggled = head("GET /healthz HTTP/1.1", HOST)
        with self.subTest(lines=[line[:60] for line in lines]):
            answer = self.answer(head(*lines) + body + smuggled)
            self.assertEqual(answer.status, 400, answer.body)
            self.assertEqual(answer.headers.get("Connection"), "close")

    def refuse_unread(self, text, *statuses):
        """Refused before a request exists, in whatever words, and the connection is closed."""
        with self.subTest(text=text[:60]):
            data = self.exchange(text + head("GET /healthz HTTP/1.1", HOST))
            self.assertIn(int(data.split()[1]), statuses, data[:100])
            self.assertNotIn(b"200 OK", data)

    def test_what_is_ambiguous_is_refused_and_the_connection_closed(self):
        chunks = "2\r\n{}\r\n0\r\n\r\n"
        for fields, body in [
            (("Content-Length: 5", "Transfer-Encoding: chunked"), "0\r\n\r\n"), (("Transfer-Encoding: chunked", "Content-Length: 5"), "0\r\n\r\n"),
            (("Content-Length: 2", "Content-Length: 3"), "{}"), (("Content-Length: 2", "Content-Length: 2"), "{}"),
            *(((f"Transfer-Encoding: {value}",), chunks) for value in ("identity", "gzip", "gzip, chunked", "chunked, chunked", "xchunked", "chunked;q=1", "chunked, identity", "")),
            (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), chunks), (("Content-Length : 2",), "{}"), (("Transfer-Encoding : chunked",), chunks),
            (("X: a\rContent-Length: 2",), "{}"), (("X: a\r\n Content-Length: 2",), "{}"), (("X: \x01",), ""), (("X(: y",), ""),
        ]:
            self.refuse(POST, HOST, AUTH, JSON, *fields, body=body)
        for lines in [(GET, AUTH), (GET, HOST, "Host: y", AUTH), (GET, HOST, AUTH, AUTH), (POST, HOST, AUTH, JSON, JSON), (POST, HOST, AUTH, "Idempotency-Key: a", "Idempotency-Key: b")]:
            self.refuse(*lines)

    def test_what_is_no_request_is_refused(self):
        for value in ("+2", "-2", "0x2", "2x", "2;", "", "1e1", "\xb2", "2 2", "2, 2"):
            self.refuse_unread(head(POST, HOST, AUTH, JSON, f"Content-Length: {value}") + "{}", 400)
        self.refuse_unread(head(POST, "garbage", HOST, AUTH, JSON) + "{}", 400)
        self.refuse_unread(head(POST, HOST, AUTH, JSON, "Content-Length: 99999999999999999999"), 413)
        self.refuse_unread(head(GET, HOST, AUTH, "X: " + "y" * 40000), 431)
        self.refuse_unread(head("GET /" + "a" * 40000 + " HTTP/1.1", HOST), 414, 431)
        self.refuse_unread(head("GET /healthz HTTP/2.0", HOST), 505)
        for body in ("zz\r\n{}\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFFF\r\n", "-2\r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n0\r\n\r\n", "2\r\n{}xx0\r\n\r\n"):
            self.refuse_unread(head(POST, HOST, AUTH, JSON, "Transfer-Encoding: chunked") + body, 400, 413)
        self.assertEqual(self.answer(head(GET, HOST, AUTH, LAST, "X: " + "y" * 20000)).status, 200)
        self.assertEqual(self.answer(head("GET /" + "a" * 15000 + " HTTP/1.1", HOST, LAST)).status, 404)
        self.assertEqual(self.answer(head(GET, HOST, "Authorization: Bearer " + "x" * 9000, LAST)).status, 401)

    def test_chunks_and_blanks(self):
        name = '{"name":"in pieces","type":"noop"}'
        pieces = "".join(f"{1:x};ext=1\r\n{letter}\r\n" for letter in name) + "0\r\nTrailer: x\r\n\r\n"
        self.assertEqual(self.answer(head(POST, HOST, AUTH, JSON, LAST, "Transfer-Encoding: chunked") + pieces).status, 201)
        body = '{"name":"blanks","type":"noop"}'
        answer = self.answer("\r\n\r\n" + head(POST, "hOST:x", AUTH.replace("Bearer", "bEARER"), "CONTENT-TYPE: \t application/json ", f"content-length:  0{len(body)}", "connection: CLOSE") + body)
        self.assertEqual(answer.status, 201, answer.body)

    def test_http_1_0(self):
        self.assertEqual(self.answer(head("GET /healthz HTTP/1.0", HOST)).status, 200)
        with self.connect() as stream:  # no chunks: the end of the connection ends it
            stream.sendall(as_bytes(head("GET /api/v1/stream HTTP/1.0", HOST, AUTH)))
            data = b""
            while b": connected" not in data:
                data += stream.recv(65536)
        self.assertNotIn(b"chunked", data.lower())

    def test_targets(self):
        host = self.server.host
        for target, status in [(f"http://{host}/api/v1/auth/me", 200), ("http://x/healthz?", 200), ("http://x", 200), ("http://x?a=b", 400), ("/api/v1/auth/me?", 200), ("*", 404),
                               ("healthz", 404), ("/healthz#part", 404), ("//healthz", 404), ("/healthz/", 404), ("/./healthz", 404), ("/api/../healthz", 404), ("/%2e%2e/healthz", 404),
                               ("/api/v1//auth/me", 404), ("/API/v1/auth/me", 404), ("/api/v1/scheduler/tasks/%zz", 400), ("/api/v1/scheduler/tasks/%", 400),
                               ("/api/v1/scheduler/tasks/%00", 400), ("/api/v1/scheduler/tasks?name=%", 400), ("/api/v1/scheduler/tasks/%ff", 400), ("/api/v1/scheduler/tasks/\xc3\xa9", 404), ("/api/v1/scheduler/tasks/\xff", 400),
                               ("/a" * 1000, 404)]:
            with self.subTest(target=target[:60]):
                self.assertEqual(self.answer(head(f"GET {target} HTTP/1.1", HOST, AUTH, LAST)).status, status)

    def test_pipelined_requests_are_answered_in_order(self):
        text = ""
        for i in range(40):
            body = f'{{"name":"pipelined {i}","type":"noop"}}'
            text += head(POST, HOST, AUTH, JSON, f"X-Request-Id: {i}", f"Content-Length: {len(body)}") + body
            text += head(f"GET /api/v1/scheduler/tasks/pipelined%20{i} HTTP/1.1", HOST, AUTH, f"X-Request-Id: {i}")
        found = self.answers(text + head("GET /healthz HTTP/1.1", HOST, LAST))
        self.assertEqual([a.status for a in found], [201, 200] * 40 + [200])
        self.assertEqual([a.headers.get("X-Request-Id") for a in found[:-1]], [str(i // 2) for i in range(80)])
        for i, answer in enumerate(found[1:-1:2]):
            self.assertEqual(answer.data["name"], f"pipelined {i}")

    def test_bytes_one_by_one_are_a_request_too(self):
        body = '{"name":"slowly","type":"noop"}'
        with self.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in as_bytes(head(POST, HOST, AUTH, JSON, LAST, f"Content-Length: {len(body)}") + body):
                connection.sendall(bytes([byte]))
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
        self.assertEqual(read_answers(data)[0].status, 201)

    def test_random_bytes_do_not_harm_the_server(self):
        seed = int(os.environ.get("HORAE_SEED", random.randrange(1 << 32)))
        generator = random.Random(seed)
        good = as_bytes(head(POST, HOST, AUTH, JSON, "Content-Length: 2") + "{}")
        for _ in range(200):
            text = bytearray(good) if generator.random() < 0.7 else bytearray(generator.randbytes(generator.randrange(1, 400)))
            for _ in range(generator.randrange(1, 6)):
                text[generator.randrange(len(text))] = generator.randrange(256)
            with self.subTest(seed=seed):
                try:
                    self.assertIn(self.exchange(bytes(text) + b"\r\n\r\n", end_of_input=True)[:9], (b"", b"HTTP/1.1 "))
                except (ConnectionResetError, BrokenPipeError):
                    pass
        self.assertEqual(self.server.get("/healthz").status, 200)


class Bodies(Bytes):
    def test_too_large_a_body_is_413_declared_or_not_and_the_connection_goes_on(self):
        after = head("GET /healthz HTTP/1.1", HOST, LAST)
        chunks = f"{65536:x}\r\n{'x' * 65536}\r\n"
        for count in (17, 400):  # just over the limit, and far over it
            declared = head(POST, HOST, AUTH, JSON, f"Content-Length: {65536 * count}") + "x" * 65536 * count
            chunked = head(POST, HOST, AUTH, JSON, "Transfer-Encoding: chunked") + chunks * count + "0\r\n\r\n"
            for text in (declared, chunked):
                found = self.answers(text + after)
                self.assertEqual([a.status for a in found], [413, 200])
                self.assertEqual(found[0].json["code"], "PAYLOAD_TOO_LARGE")

    def test_the_limit_is_exact(self):
        fill = {"name": "exact", "type": "noop", "description": ""}
        spare = (1 << 20) - len(json.dumps(fill))
        for extra, status in ((0, 400), (1, 413)):  # 400: over the description's own limit
            body = json.dumps({**fill, "description": "x" * (spare + extra)})
            self.assertEqual(len(body), (1 << 20) + extra)
            self.assertEqual(self.server.post("/scheduler/tasks", raw=body.encode(), headers={"Content-Type": "application/json"}).status, status)
        self.assertEqual(self.server.post("/auth/login", raw=b" " * 65537, headers={"Content-Type": "application/json"}, token=None).status, 413)
        big = b'{"task_uid":"nobody","items":[' + b" " * (63 << 20) + b"{}]}"  # bulk takes 64 MiB
        self.assertEqual(self.server.post("/scheduler/executions", raw=big, headers={"Content-Type": "application/json"}).status, 404)
        self.assertEqual(self.server.post("/scheduler/executions", raw=big + b" " * (2 << 20), headers={"Content-Type": "application/json"}).status, 413)

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

    def test_who_asks_first_is_told_before_the_body(self):
        with self.connect() as connection:
            connection.sendall(as_bytes(head(POST, HOST, AUTH, JSON, "Expect: 100-continue", "Content-Length: 31")))
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b'{"name":"expected","type":"xy"}')
            self.assertIn(b"400 Bad Request", connection.recv(100))
        for fields, status in [((AUTH, "Content-Length: 2000000"), 413), (("Content-Length: 2",), 401), ((AUTH, "Content-Length: 2", "Content-Type: text/plain"), 415)]:
            answer = self.answer(head(POST, HOST, "Expect: 100-continue", *fields))
            self.assertEqual((answer.status, answer.headers.get("Connection")), (status, "close"))

    def test_a_refusal_does_not_wait_for_the_body(self):
        for fields, status in [((AUTH, JSON), 413), ((JSON,), 401)]:
            with self.connect() as connection:
                connection.sendall(as_bytes(head(POST, HOST, *fields, "Content-Length: 100000000") + "{"))
                self.assertTrue(connection.recv(65536).startswith(f"HTTP/1.1 {status} ".encode()))

    def test_a_body_that_is_cut_off_has_no_effect(self):
        body = '{"name":"cut off","type":"noop"}'
        self.assertEqual(self.exchange(head(POST, HOST, AUTH, JSON, f"Content-Length: {len(body) + 1}") + body, end_of_input=True), b"")
        self.assertEqual(self.exchange(head(POST, HOST, AUTH, JSON, "Transfer-Encoding: chunked") + f"{len(body):x}\r\n{body}\r\n", end_of_input=True), b"")
        with self.connect() as connection:
            connection.sendall(as_bytes(head(POST, HOST, AUTH, JSON, f"Content-Length: {len(body)}") + body[:-1]))
        self.assert_error(self.server.get("/scheduler/tasks/cut%20off"), 404, "NOT_FOUND")

    def test_bodies_where_none_belongs(self):
        for lines, body, status in [((GET, "Content-Length: 5"), "hello", 200), ((GET, "Transfer-Encoding: chunked"), "5\r\nhello\r\n0\r\n\r\n", 200),
                                    (("DELETE /api/v1/scheduler/tasks/nobody HTTP/1.1", "Content-Length: 5"), "hello", 400),
                                    (("POST /api/v1/scheduler/tasks/nobody/enable HTTP/1.1", "Content-Length: 2"), "{}", 404),
                                    (("POST /api/v1/scheduler/tasks/nobody/enable HTTP/1.1", "Content-Length: 7"), '{"a":1}', 400)]:
            self.assertEqual(self.answer(head(*lines, HOST, AUTH, LAST) + body).status, status, lines)


class Answers(Bytes):
    def test_unknown_paths_and_methods(self):
        for path in ("/nothing", "/scheduler/tasks/", "/scheduler/tasks//enable", "/audit/nothing"):
            self.assert_error(self.server.get(path), 404, "NOT_FOUND")
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "NONSENSE"):
            answer = self.server.request(method, "/scheduler/tasks")
            self.assert_error(answer, 405, "METHOD_NOT_ALLOWED")
            self.assertEqual(answer.headers["Allow"], "GET, HEAD, POST")
        self.assertEqual(self.server.request("HEAD", "/auth/login").status, 405)

    def test_head_is_get_without_a_body(self):
        for path in ("/healthz", "/scheduler/tasks", "/scheduler/types", "/nothing", "/openapi.json", "/metrics"):
            full = path if path in ("/healthz", "/metrics") else "/api/v1" + path
            get = self.answer(head(f"GET {full} HTTP/1.1", HOST, AUTH, LAST))
            data = self.exchange(head(f"HEAD {full} HTTP/1.1", HOST, AUTH, LAST))
            self.assertTrue(data.endswith(b"\r\n\r\n"), data[-100:])
            status, fields = data.decode().split("\r\n", 1)
            self.assertIn(f" {get.status} ", status)
            if path != "/metrics":
                self.assertIn(f"Content-Length: {get.headers.get('Content-Length')}\r\n", fields)
            self.assertIn(f"Content-Type: {get.headers.get('Content-Type')}\r\n", fields)
        stream = self.exchange(head("HEAD /api/v1/stream HTTP/1.1", HOST, AUTH, LAST))
        self.assertTrue(stream.endswith(b"\r\n\r\n") and b"text/event-stream" in stream)

    def test_request_ids_are_echoed_when_they_are_sane(self):
        for sane in ("abc-123", "x" * 128, "a.b:c/d+e=f@g_h", str(uuid.uuid4())):
            for path in ("/healthz", "/nothing"):
                self.assertEqual(self.server.get(path, headers={"X-Request-Id": sane}).headers["X-Request-Id"], sane)
        for bad in ("x" * 129, "a b", 'a"b', "", "é", "<x>"):
            answer = self.server.get("/healthz", headers={"X-Request-Id": bad})
            self.assertEqual(len(answer.headers["X-Request-Id"]), 36)

    def test_large_texts_are_compressed_for_those_who_want(self):
        plain = self.server.get("/openapi.json", token=None)
        self.assertIsNone(plain.headers["Content-Encoding"])
        self.assertEqual(plain.headers["Vary"], "Accept-Encoding")
        for value, packed in [("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False), ("br", False), ("identity", False)]:
            found = self.answer(head("GET /api/v1/openapi.json HTTP/1.1", HOST, LAST, f"Accept-Encoding: {value}"))
            self.assertEqual(found.headers.get("Content-Encoding"), "gzip" if packed else None, value)
            self.assertEqual(gzip.decompress(found.body) if packed else found.body, plain.body)
        small = self.answer(head("GET /healthz HTTP/1.1", HOST, LAST, "Accept-Encoding: gzip"))
        self.assertIsNone(small.headers.get("Content-Encoding"))

    def test_a_large_answer_reaches_a_slow_reader_whole(self):
        with self.connect() as connection:
            connection.sendall(as_bytes(head("GET /api/v1/openapi.json HTTP/1.1", HOST) * 300 + head("GET /healthz HTTP/1.1", HOST, LAST)))
            self.assertEqual(self.server.get("/healthz").status, 200)  # others are served while more waits than sockets hold
            chunks = []
            while chunk := connection.recv(10000):
                chunks.append(chunk)
        found = read_answers(b"".join(chunks))
        self.assertEqual((len(found), len({a.body for a in found})), (301, 2))

    def test_who_leaves_in_the_middle_harms_nobody(self):
        for i in range(50):
            with self.connect() as connection:
                connection.sendall(as_bytes(head("GET /api/v1/openapi.json HTTP/1.1", HOST) * 5)[: 100 + i * 3])
                if i % 2:
                    connection.recv(10)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_concurrent_duplicates_of_a_name_make_one_task(self):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.server.post("/scheduler/tasks", {"name": "only one", "type": "noop"}).status)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [201] + [409] * 15)

    def test_the_probes_need_no_token_and_the_page_is_a_page(self):
        self.assertEqual(self.server.get("/healthz", token=None).json["status"], "ok")
        self.assertEqual(self.server.get("/readyz", token=None).json["status"], "ready")
        page = self.server.get("/", token=None)
        self.assertTrue(page.headers["Content-Type"].startswith("text/html") and b"<html" in page.body)


class Idle(Bytes):
    """Many connections that say nothing: the oldest idle ones go, the server answers as ever."""

    arguments = ("--max-connections", "64")

    def is_closed(self, connection):
        connection.setblocking(False)
        try:
            return connection.recv(1) == b""
        except (BlockingIOError, ConnectionResetError) as error:
            return isinstance(error, ConnectionResetError)
        finally:
            connection.setblocking(True)

    def test_ten_thousand_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        count = 10000
        kept = []
        try:
            for i in range(count):
                if len(kept) >= min(hard, 65536) - 200:
                    kept.pop(0).close()
                kept.append(self.connect())
                if i % 500 == 0:
                    kept[-1].sendall(b"GET /healthz HT")  # half a head is idle too
                    self.assertEqual(self.server.get("/healthz").status, 200)
            # Several threads accept, so one connection may overtake a few others: which 64 are kept is exact but for those.
            wait_until("all but 64 to be closed", lambda: sum(not self.is_closed(one) for one in kept) <= 64)
            self.assertTrue(all(self.is_closed(one) for one in kept[:-256]))  # the oldest are gone
            self.assertEqual(sum(not self.is_closed(one) for one in kept[-16:]), 16)  # the newest are still there
            kept[-1].sendall(as_bytes(head("GET /healthz HTTP/1.1", HOST, LAST)))
            self.assertTrue(kept[-1].recv(100).startswith(b"HTTP/1.1 200"))
        finally:
            for connection in kept:
                connection.close()

    def test_busy_connections_are_not_closed_for_new_ones(self):
        self.server.create(name="followed", type="noop", data='{"sleep_ms":60000}')
        uid = self.server.trigger("followed")
        with self.connect() as stream:
            stream.sendall(as_bytes(head(f"GET /api/v1/scheduler/executions/{uid}/logs?follow=1 HTTP/1.1", HOST, AUTH)))
            self.assertTrue(stream.recv(100).startswith(b"HTTP/1.1 200"))
            others = [self.connect() for _ in range(200)]
            self.assertEqual(self.server.post(f"/scheduler/executions/{uid}/cancel").status, 202)
            data = b""
            while b"event: end" not in data:
                data += stream.recv(65536)
            for other in others:
                other.close()


class Checked(Bytes):
    def test_answers_to_raw_bytes_fit_the_document_too(self):
        for method, path, status in [("GET", "/healthz", 200), ("GET", "/api/v1/scheduler/tasks", 200), ("GET", "/api/v1/users/nobody", 404), ("BREW", "/healthz", 405), ("GET", "/x", 404)]:
            answer = self.answer(head(f"{method} {path} HTTP/1.1", HOST, AUTH, LAST))
            self.assertEqual(answer.status, status)
            openapi_check.check(method, path, answer)


if __name__ == "__main__":
    unittest.main()
