# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, on a free loopback port and a socket in that folder,
run by a user without rights (initdb refuses root), ended by its process id."""
import contextlib
import glob
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import urllib.parse

PASSWORD = "a-password-for-tests"
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "100", "shared_buffers": "32MB", "log_min_messages": "warning",
            "autovacuum_naptime": "10s", "max_wal_size": "256MB", "timezone": "UTC"}


class Missing(Exception):
    pass


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise Missing("PostgreSQL is not installed (package postgresql): make deps")
    return os.path.dirname(found[-1])


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """`admin` is the superuser's url, over the socket and without a password; `horae` is a user with one, over TCP."""

    def __init__(self, settings=None):
        self.bin = programs()
        self.folder = tempfile.mkdtemp(prefix="horae-postgres-")
        self.data = os.path.join(self.folder, "data")
        self.settings = {**SETTINGS, **(settings or {})}
        self.port = free_port()
        self.process = None
        self.user = pwd.getpwnam("postgres").pw_name if os.getuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-N")
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="utf-8") as file:
            file.write("local all all trust\nlocal replication all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        self.start()
        self.sql(f"CREATE ROLE horae LOGIN PASSWORD '{PASSWORD}'")

    def command(self, program, *arguments):
        drop = ("setpriv", f"--reuid={self.user}", f"--regid={pwd.getpwnam(self.user).pw_gid}", "--clear-groups") if self.user else ()
        return (*drop, os.path.join(self.bin, program), *arguments)

    def run(self, program, *arguments):
        done = subprocess.run(self.command(program, *arguments), cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        options = " ".join(f"-c {name}={value}" for name, value in {**self.settings, "listen_addresses": "127.0.0.1", "port": self.port,
                                                                     "unix_socket_directories": self.folder}.items())
        self.run("pg_ctl", "-D", self.data, "-l", os.path.join(self.folder, "log"), "-o", options, "-w", "-t", "60", "start")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "60", "stop")

    def admin(self, database="postgres"):
        return f"postgres://postgres@/{database}?host={urllib.parse.quote(self.folder, safe='')}&port={self.port}"

    def url(self, database, password=PASSWORD):
        return f"postgres://horae{':' if password else ''}{password}@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database="postgres"):
        return self.run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.admin(database), "-c", text).strip()

    def database(self, name):
        """A new empty database of the user horae, and its url."""
        self.sql(f'CREATE DATABASE "{name}" OWNER horae')
        return self.url(name)

    def close(self):
        with contextlib.suppress(RuntimeError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- the one for a whole run of tests ----

def admin_sql(sql, database="postgres"):
    url = os.environ["HORAE_TEST_POSTGRES"].replace("@/postgres?", f"@/{database}?")
    done = subprocess.run([os.path.join(programs(), "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{sql}: {done.stderr}")
    return done.stdout.strip()


def make_database(name):
    """Its url for the user horae; it may be there already."""
    if not admin_sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
        admin_sql(f'CREATE DATABASE "{name}" OWNER horae')
    port = admin_sql("SHOW port")
    return f"postgres://horae:{PASSWORD}@127.0.0.1:{port}/{name}"


def drop_database(name):
    admin_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def rows(database, sql):
    return [tuple(row.values()) for row in json.loads(admin_sql(f"SELECT coalesce(json_agg(to_json(t)), '[]') FROM ({sql}) AS t", database))]


@contextlib.contextmanager
def for_tests():
    """One for a whole run of tests, named to them by HORAE_TEST_POSTGRES; where there is none, those that need it fail and say so."""
    if os.environ.get("HORAE_TEST_POSTGRES"):
        yield
        return
    try:
        cluster = Cluster()
    except (Missing, KeyError) as error:
        print(f"no PostgreSQL for the tests: {error}")
        yield
        return
    os.environ["HORAE_TEST_POSTGRES"] = cluster.admin()
    try:
        yield
    finally:
        del os.environ["HORAE_TEST_POSTGRES"]
        cluster.close()
