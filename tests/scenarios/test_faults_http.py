# SPDX-License-Identifier: Apache-2.0
"""Requests that do not end (contract section 3)."""
import os
import socket
import tempfile

from harness import ADMIN_TOKEN, ServerCase, wait_until

HEAD = f"POST /api/v1/scheduler/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: application/json\r\n"


class TooSlow(ServerCase):
    """Minutes pass by the test offset of the server's clocks: who has not sent a whole request by then is cut off."""

    clock = os.path.join(tempfile.mkdtemp(prefix="horae-test-"), "offset")
    env = {"HORAE_TEST_CLOCK_FILE": clock}

    def connect(self, text):
        host, port = self.server.host.split(":")
        connection = socket.create_connection((host, int(port)), timeout=30)
        self.addCleanup(connection.close)
        connection.sendall(text.encode())
        return connection

    def is_closed(self, connection):
        connection.setblocking(False)
        try:
            return connection.recv(65536) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def test_heads_and_bodies_that_do_not_end(self):
        body = '{"name":"too slow","type":"noop"}'
        self.server.create(name="followed", type="noop", data='{"sleep_ms":60000}')
        uid = self.server.trigger("followed")
        follower = self.connect(f"GET /api/v1/scheduler/executions/{uid}/logs?follow=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n")
        self.assertTrue(follower.recv(100).startswith(b"HTTP/1.1 200"))
        slow = [self.connect(text) for text in ("", "GET /heal", HEAD, HEAD + f"Content-Length: {len(body)}\r\n\r\n", HEAD + f"Content-Length: {len(body)}\r\n\r\n{body[:-1]}",
                                                HEAD + f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n")]
        self.assertEqual(self.server.get("/healthz").status, 200)
        self.assertFalse(any(self.is_closed(one) for one in slow))
        with open(self.clock, "w", encoding="ascii") as file:
            file.write("130 130")
        wait_until("all of them to be cut off", lambda: all(self.is_closed(one) for one in slow))
        self.assert_error(self.server.get("/scheduler/tasks/too%20slow"), 404, "NOT_FOUND")
        self.assertEqual(self.server.post(f"/scheduler/executions/{uid}/cancel").status, 202)  # who waits for an answer is not slow
        follower.setblocking(True)
        data = b""
        while b"event: end" not in data:
            chunk = follower.recv(65536)
            self.assertTrue(chunk, data)
            data += chunk
