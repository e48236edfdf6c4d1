# SPDX-License-Identifier: Apache-2.0
"""For scenarios with commands: tasks from shell text, files that commands write, processes and the keeper by their ids."""
import json
import os
import signal

from harness import ServerCase, wait_until


def is_alive(pid):
    """Exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def processes(folder, name):
    """Ids of living processes of this name (15 characters at most) that were started for this data folder."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/comm", encoding="ascii") as file:
                if file.read().strip() != name:
                    continue
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                if folder.encode() in file.read() and is_alive(entry):
                    found.append(int(entry))
        except OSError:
            continue
    return found


def keeper_of(server):
    return wait_until("the keeper", lambda: processes(server.folder, "horae-keeper"))[0]


def guard_of(server):
    return wait_until("the guard", lambda: processes(server.folder, "horae-guard"))[0]


def kill_keeper(server):
    """SIGKILL, and waits until it is gone."""
    pid = keeper_of(server)
    os.kill(pid, signal.SIGKILL)
    wait_until("the keeper to be gone", lambda: not is_alive(pid))
    return pid


# A daemon as they are made: away from its group, its session and its parent. Writes its pid into the file.
def daemon(pid_file, ignore=""):
    return f"(setsid sh -c '{ignore} echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec </dev/null >/dev/null 2>&1; while :; do sleep 0.2; done' &)"


class CommandCase(ServerCase):
    def command(self, name, text, **fields):
        fields.setdefault("max_retries", 0)
        data = {"command": text} if isinstance(text, str) else text
        return self.server.create(name=name, type="command", data=json.dumps(data), **fields)

    def run_once(self, name, text, trigger=None, **fields):
        self.command(name, text, **fields)
        return self.server.finished(self.server.trigger(name, **(trigger or {})))

    def path(self, name):
        return os.path.join(self.server.folder, name)

    def touch(self, name):
        open(self.path(name), "w", encoding="ascii").close()

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def read_pid(self, name):
        def read():
            try:
                return int(self.read(name) or 0)
            except (OSError, ValueError):
                return 0

        return wait_until(f"the file {name}", read)

    def logs(self, uid, query=""):
        return self.server.get(f"/scheduler/executions/{uid}/logs{query}").body
