# SPDX-License-Identifier: Apache-2.0
"""Task type `http`: contract section 3, rulings "http type", SCH-25, SCH-35..37, SCH-61."""
import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import resource
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading

from harness import MEMORY_FACTOR, ROOT, Server, ServerCase, wait_until


class Receiver(http.server.BaseHTTPRequestHandler):
    seen = []

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        Receiver.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/hang":
            Peer.done.wait(30)
        if self.path == "/binary":
            content = b"a\0b\xff\xe4\xb8"
            self.send_response(500)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        if self.path == "/flaky" and self.headers["X-Horae-Attempt"] == "1":
            self.path = "/status/503"
        status = int(self.path.rsplit("/", 1)[1]) if self.path.startswith("/status/") else 302 if self.path == "/redirect" else 200
        content = b"x" * 100000 if self.path == "/large" else b"received"
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/final")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:
            pass

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, *arguments):
        pass


class Peer(socketserver.BaseRequestHandler):
    """What servers do that do not mean well."""

    done = threading.Event()

    def handle(self):
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                chunk = self.request.recv(65536)
                if not chunk:
                    return
                head += chunk
            getattr(self, head.split(b"/", 1)[1].split(b" ", 1)[0].decode().replace("-", "_"))()
        except OSError:
            pass

    def hang(self):
        self.done.wait(60)

    def trickle(self):
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not self.done.wait(0.05):
            self.request.sendall(b"x")

    def gigabyte(self):
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(16384):
            self.request.sendall(b"g" * 65536)

    def endless(self):
        self.request.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            self.request.sendall(b"10000\r\n" + b"e" * 65536 + b"\r\n")

    def short(self):
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")

    def garbage(self):
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    def close(self):
        pass

    def big_headers(self):
        self.request.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"h" * 8000) for i in range(8)) + b"Content-Length: 2\r\n\r\nok")

    def endless_headers(self):
        self.request.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.request.sendall(b"X: " + b"h" * 60000 + b"\r\n")

    def no_content(self):
        self.request.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    def loop(self):
        self.request.sendall(b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def to_file(self):
        self.request.sendall(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


class Peers(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 1024


class Http(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        cls.receiver.daemon_threads = True
        threading.Thread(target=cls.receiver.serve_forever, daemon=True).start()
        cls.base = f"http://127.0.0.1:{cls.receiver.server_port}"
        cls.peers = Peers(("127.0.0.1", 0), Peer)
        threading.Thread(target=cls.peers.serve_forever, daemon=True).start()
        cls.peer = f"http://127.0.0.1:{cls.peers.server_address[1]}"
        Peer.done.clear()

    @classmethod
    def tearDownClass(cls):
        Peer.done.set()
        super().tearDownClass()
        cls.peers.shutdown()
        cls.peers.server_close()
        cls.receiver.shutdown()
        cls.receiver.server_close()

    def run_once(self, name, path, secret=None, task=None, **data):
        fields = {"secret": secret} if secret else {}
        url = path if path.startswith("http") else self.base + path
        self.server.create(name=name, type="http", data=json.dumps({"url": url, **data}), **{"max_retries": 0, **fields, **(task or {})})
        return self.server.finished(self.server.trigger(name))

    def seen(self, path):
        return [item for item in Receiver.seen if item[1] == path]

    def test_a_2xx_answer_is_success_and_its_body_the_result(self):
        run = self.run_once("get", "/path?x=1")
        self.assertEqual((run["state"], run["result"]), ("success", "received"))
        method, path, headers, _ = next(item for item in Receiver.seen if item[1] == "/path?x=1")
        self.assertEqual((method, path), ("GET", "/path?x=1"))
        self.assertEqual(headers["X-Horae-Execution"], run["execution_uid"])
        self.assertEqual(headers["X-Horae-Attempt"], "1")
        self.assertEqual(headers["X-Horae-Fencing-Token"], str(run["fencing_token"]))

    def test_other_statuses_fail_unless_expected(self):
        self.assertEqual(self.run_once("teapot", "/status/418")["error_message"], "HTTP status 418")
        self.assertEqual(self.run_once("expected", "/status/404", expect_status=[200, 404])["state"], "success")
        self.assertEqual(self.run_once("unexpected", "/ok", expect_status=204)["state"], "failure")

    def test_redirects_are_off_by_default(self):
        self.assertEqual(self.run_once("no-redirect", "/redirect")["error_message"], "HTTP status 302")
        self.assertEqual(self.run_once("redirect", "/redirect", max_redirects=1)["state"], "success")

    def test_requests_are_signed_with_the_secret(self):
        key = b"0123456789abcdef0123456789abcdef"
        run = self.run_once("signed", "/signed", secret="whsec_" + base64.b64encode(key).decode(), method="POST", body='{"a":1}',
                            headers={"X-Mine": "yes"})
        self.assertEqual(run["state"], "success")
        _, _, headers, body = next(item for item in Receiver.seen if item[1] == "/signed")
        headers = {name.lower(): value for name, value in headers.items()}
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        self.assertEqual(headers["webhook-signature"], expected)
        self.assertEqual((headers["x-mine"], headers["content-type"], body), ("yes", "application/json", b'{"a":1}'))

    def test_long_answers_are_cut_and_marked(self):
        run = self.run_once("large", "/large")
        self.assertEqual((len(run["result"]), run["result_truncated"]), (65536, True))

    def test_time_outs_and_refused_connections_fail_with_a_reason(self):
        self.assertIn("request failed", self.run_once("hang", "/hang", timeout_ms=200)["error_message"])
        self.server.create(name="refused", type="http", data=json.dumps({"url": "http://127.0.0.1:9/"}), max_retries=0)
        self.assertIn("request failed", self.server.finished(self.server.trigger("refused"))["error_message"])

    def test_a_request_can_be_cancelled(self):
        self.server.create(name="cancel", type="http", data=json.dumps({"url": self.base + "/hang"}), max_retries=0)
        uid = self.server.trigger("cancel")
        self.server.in_state(uid, "running")
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        self.assertEqual(self.server.finished(uid)["state"], "cancelled")

    # ---- what other servers do ----

    def test_servers_that_do_not_answer_well_fail_with_the_reason(self):
        for name, data, words in (
            ("hang", {"timeout_ms": 300}, "timed out after 30"),
            ("trickle", {"timeout_ms": 300}, "timed out after 30"),
            ("short", {}, "transfer closed with 91 bytes remaining"),
            ("garbage", {}, "HTTP/0.9"),
            ("close", {}, "Empty reply from server"),
            ("endless-headers", {"timeout_ms": 20000}, "request failed"),
        ):
            with self.subTest(name):
                run = self.run_once("peer-" + name, f"{self.peer}/{name}", **data)
                self.assertEqual(run["state"], "failure")
                self.assertIn("request failed: ", run["error_message"])
                self.assertIn(words, run["error_message"])
        run = self.run_once("nobody-there", "http://127.0.0.1:9/")
        self.assertIn("request failed: Failed to connect to 127.0.0.1 port 9", run["error_message"])
        run = self.run_once("no-name", "http://no-such-host.invalid/")
        self.assertIn("no-such-host.invalid", run["error_message"])

    def test_an_answer_without_end_costs_its_first_64_kb(self):
        for name in ("gigabyte", "endless"):
            run = self.run_once("peer-" + name, f"{self.peer}/{name}", timeout_ms=20000)
            self.assertEqual((run["state"], len(run["result"]), run["result_truncated"], set(run["result"])), ("success", 65536, True, {name[0]}))
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            peak_kb = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        self.assertLess(peak_kb, (100 << 10) * MEMORY_FACTOR)

    def test_answers_without_a_body_and_with_large_heads(self):
        run = self.run_once("no-content", f"{self.peer}/no-content")
        self.assertEqual((run["state"], run.get("result")), ("success", None))
        self.assertEqual(self.run_once("big-headers", f"{self.peer}/big-headers")["result"], "ok")

    def test_an_answer_that_is_no_text_is_kept_as_text(self):
        run = self.run_once("binary", "/binary")
        self.assertEqual((run["error_message"], run["result"], run["error_stack"]), ("HTTP status 500", "a\ufffdb\ufffd\ufffd\ufffd", "a\ufffdb\ufffd\ufffd\ufffd"))

    def test_redirects_end_and_stay_with_http(self):
        self.assertIn("redirects", self.run_once("loop", f"{self.peer}/loop", max_redirects=3)["error_message"])
        self.assertIn("file", self.run_once("to-file", f"{self.peer}/to-file", max_redirects=3)["error_message"])
        self.run_once("post-redirect", "/redirect", method="POST", body="{}", max_redirects=1)
        self.assertEqual([item[0] for item in self.seen("/final")][-1], "GET")

    def test_a_certificate_that_nobody_vouches_for_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1"],
                           check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
        receiver.handle_error = lambda *arguments: None
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        run = self.run_once("certificate", f"https://127.0.0.1:{receiver.server_port}/secret")
        receiver.shutdown()
        receiver.server_close()
        self.assertEqual(run["state"], "failure")
        self.assertRegex(run["error_message"], "(?i)certificate")
        self.assertEqual(self.seen("/secret"), [])

    # ---- what horae sends ----

    def test_every_method_arrives_as_it_was_asked_for(self):
        for method, body in (("GET", None), ("GET", '{"q":1}'), ("HEAD", None), ("POST", None), ("POST", "text"), ("PUT", "{}"), ("PATCH", "{}"), ("DELETE", None), ("OPTIONS", None)):
            path = f"/method/{method}/{len(body or '')}"
            data = {"body": body} if body is not None else {}
            self.assertEqual(self.run_once(f"{method}-{len(body or '')}", path, method=method, **data)["state"], "success")
            seen, _, headers, received = self.seen(path)[0]
            self.assertEqual((seen, received), (method, (body or "").encode()))
            self.assertEqual(headers.get("Content-Type"), "application/json" if body is not None else None)
            if method in ("POST", "PUT", "PATCH"):
                self.assertEqual(headers["Content-Length"], str(len(body or "")))
            self.assertRegex(headers["User-Agent"], "^horae/")
        run = self.run_once("own-type", "/own-type", method="POST", body="a=1", headers={"content-type": "application/x-www-form-urlencoded", "X-Empty": "", "X-Text": "\u00fc"})
        self.assertEqual(run["state"], "success")
        headers = {name.title(): value for name, value in self.seen("/own-type")[0][2].items()}
        self.assertEqual((headers["Content-Type"], headers["X-Empty"]), ("application/x-www-form-urlencoded", ""))

    def test_each_attempt_is_sent_with_its_number_and_fence_under_one_id(self):
        run = self.run_once("flaky", "/flaky", secret="plain secret", task={"max_retries": 2, "retry_backoff": {"base_ms": 1, "cap_ms": 1, "jitter_percent": 0}})
        self.assertEqual((run["state"], run["retry_count"]), ("success", 1))
        first, second = (headers for _, _, headers, _ in Receiver.seen if headers.get("X-Horae-Execution") == run["execution_uid"])
        self.assertEqual((first["X-Horae-Attempt"], second["X-Horae-Attempt"]), ("1", "2"))
        self.assertLess(int(first["X-Horae-Fencing-Token"]), int(second["X-Horae-Fencing-Token"]))
        self.assertEqual([a["fencing_token"] for a in run["attempts"]], [int(h["X-Horae-Fencing-Token"]) for h in (first, second)])
        self.assertEqual(first["webhook-id"], second["webhook-id"])
        for headers in (first, second):
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode()
            self.assertEqual(headers["webhook-signature"], "v1," + base64.b64encode(hmac.new(b"plain secret", signed, hashlib.sha256).digest()).decode())

    def test_a_secret_is_never_shown(self):
        self.run_once("secretive", "/secretive", secret="whsec_c2hvdyBtZSBub3Q=")
        for answer in (self.server.get("/scheduler/tasks/secretive"), self.server.get("/scheduler/tasks?page_size=100")):
            self.assertNotIn(b"c2hvdyBtZSBub3Q", answer.body)
        self.assertNotIn("c2hvdyBtZSBub3Q", self.server.log_text())

    def test_without_a_secret_nothing_is_signed(self):
        self.run_once("unsigned", "/unsigned")
        headers = self.seen("/unsigned")[0][2]
        self.assertNotIn("webhook-signature", headers)
        self.assertIn("webhook-timestamp", headers)

    def test_expected_statuses(self):
        for name, expected, path, state in (
            ("one", 404, "/status/404", "success"), ("list", [200, 418], "/status/418", "success"), ("not-listed", [201], "/ok", "failure"),
            ("server-error", None, "/status/500", "failure"), ("created", None, "/status/201", "success"), ("expected-redirect", 302, "/redirect", "success"),
        ):
            data = {"expect_status": expected} if expected else {}
            with self.subTest(name):
                self.assertEqual(self.run_once("expect-" + name, path, **data)["state"], state)

    # ---- ends ----

    def test_the_deadline_of_the_task_ends_a_request(self):
        run = self.run_once("deadline", f"{self.peer}/hang", task={"max_duration_seconds": 1, "timeout_grace_period": 0})
        self.assertEqual(run["state"], "timeout")
        self.assertIn("deadline of 1 s exceeded", run["error_message"])

    def test_a_stopping_server_interrupts_what_hangs(self):
        server = Server(["--stop-timeout", "1"])
        try:
            server.create(name="hang", type="http", data=json.dumps({"url": f"{self.peer}/hang"}), max_retries=0)
            uid = server.trigger("hang")
            server.in_state(uid, "running")
            server.stop()
            server.start()
            self.assertEqual(server.execution(uid)["state"], "interrupted")
            uid = server.trigger("hang")
            server.in_state(uid, "running")
            server.kill()
            server.start()
            self.assertEqual(server.finished(uid)["state"], "interrupted")
        finally:
            server.remove()

    def threads_and_memory(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["Threads"]), int(fields["VmRSS"].split()[0])

    def test_ten_thousand_waiting_requests_are_records_not_threads(self):
        self.run_once("starts-the-client", "/ok")
        self.server.create(name="crowd", type="http", data=json.dumps({"url": f"{self.peer}/hang"}), max_retries=0, max_concurrent=10000, overlap="queue_all", timeout_grace_period=0)
        self.addCleanup(self.server.request, "DELETE", "/scheduler/tasks/crowd")
        threads, before_kb = self.threads_and_memory()
        answer = self.server.post("/scheduler/executions", {"task_uid": "crowd", "items": [{}] * 10000})
        self.assertEqual(answer.status, 202)
        wait_until("the instance to be full", lambda: self.server.get("/scheduler/executions?task_name=crowd&state=running").json["pagination"]["total"] == 256)
        after, kb = self.threads_and_memory()
        self.assertEqual(after, threads)
        self.assertLess(kb - before_kb, (60 << 10) * MEMORY_FACTOR)
        self.assertEqual(self.server.request("DELETE", "/scheduler/tasks/crowd").status, 204)
        wait_until("all to be cancelled", lambda: self.server.get("/scheduler/executions?task_name=crowd&state=cancelled").json["pagination"]["total"] == 10000)

    def test_thousands_at_once_when_the_instance_may(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 5000:
            self.skipTest(f"this machine allows {hard} open files")
        peers = subprocess.Popen([sys.executable, os.path.join(ROOT, "tests", "silent_peer.py")], stdout=subprocess.PIPE, text=True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # as shells give it: the server raises it for itself
        try:
            server = Server(["--capacity", "2000"])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        try:
            limit = server.create(name="limit", type="command", data='{"command":"ulimit -n"}')
            self.assertEqual(server.finished(server.trigger(limit["name"]))["result"], "1024\n")  # and not for commands
            url = peers.stdout.readline().strip() + "/hang"
            server.create(name="wide", type="http", data=json.dumps({"url": url}), max_retries=0, max_concurrent=10000, overlap="queue_all")
            server.post("/scheduler/executions", {"task_uid": "wide", "items": [{}] * 2000})
            wait_until("2,000 connections", lambda: open_sockets(server.process.pid) >= 2000)
            self.assertEqual(server.get("/scheduler/executions?task_name=wide&state=running").json["pagination"]["total"], 2000)
        finally:
            peers.kill()
            peers.communicate()
            server.remove()


def open_sockets(pid):
    count = 0
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/{pid}/fd/{entry}").startswith("socket:")
    return count
