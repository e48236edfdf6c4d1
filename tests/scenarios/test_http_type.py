# SPDX-License-Identifier: Apache-2.0
"""Task type `http`: contract section 3, rulings "http type"."""
import base64
import hashlib
import hmac
import http.server
import json
import threading

from harness import ServerCase


class Receiver(http.server.BaseHTTPRequestHandler):
    seen = []

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        Receiver.seen.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/hang":
            threading.Event().wait(3)
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

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *arguments):
        pass


class Http(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        cls.receiver.daemon_threads = True
        threading.Thread(target=cls.receiver.serve_forever, daemon=True).start()
        cls.base = f"http://127.0.0.1:{cls.receiver.server_port}"

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.receiver.shutdown()
        cls.receiver.server_close()

    def run_once(self, name, path, secret=None, **data):
        fields = {"secret": secret} if secret else {}
        self.server.create(name=name, type="http", data=json.dumps({"url": self.base + path, **data}), max_retries=0, **fields)
        return self.server.finished(self.server.trigger(name))

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
