# SPDX-License-Identifier: Apache-2.0
"""Lock servers for scenario tests: Redis and etcd on free loopback ports, stopped by process id."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request

from harness import wait_until


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class LockServer:
    def __init__(self, kind, password=None, options=()):
        self.kind, self.password, self.options = kind, password, options
        self.folder = tempfile.mkdtemp(prefix=f"horae-{kind}-")
        self.port, self.peer_port = free_port(), free_port()
        self.process = None
        self.start()

    def start(self):
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer_port}"
        if self.kind == "redis":
            command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "", "--appendonly", "no"]
            command += ["--requirepass", self.password] if self.password else []
            command += list(self.options)
        else:
            command = ["etcd", "--name", "one", "--data-dir", self.folder, "--listen-client-urls", client, "--advertise-client-urls", client,
                       "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}"]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(f"{self.kind} answers", self.answers)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.kind} ended with {self.process.returncode}")
        try:
            if self.kind == "etcd":
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                    return json.load(answer).get("health") == "true"
            return b"\r\n" in self.redis("PING")
        except OSError:
            return False

    def redis(self, command):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(4096)

    @property
    def url(self):
        return f"{self.kind}://127.0.0.1:{self.port}"

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
