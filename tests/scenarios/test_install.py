# SPDX-License-Identifier: Apache-2.0
"""make install: everything in its place, and the program works from there (contract section 1)."""
import os
import subprocess
import tempfile
import unittest

import harness
from harness import BINARY, ROOT, Server


class Install(unittest.TestCase):
    def make_install(self, folder, prefix):
        binary = os.path.realpath(BINARY)
        subprocess.run(["make", "--no-print-directory", "-o", binary, f"HORAE={binary}", f"PREFIX={prefix}", f"DESTDIR={folder}", "install"], cwd=ROOT, check=True,
                       capture_output=True)

    def test_the_installed_program_serves_and_runs_commands(self):
        with tempfile.TemporaryDirectory(prefix="horae inställ ") as folder:
            self.make_install(folder, "/opt/horae")
            root = os.path.join(folder, "opt/horae")
            found = sorted(os.path.relpath(os.path.join(path, name), root) for path, _, names in os.walk(root) for name in names)
            self.assertEqual(found, ["bin/horae", "share/doc/horae/horae.service", "share/man/man1/horae.1"])
            with open(os.path.join(root, "share/doc/horae/horae.service"), encoding="utf-8") as file:
                unit = file.read()
            self.assertIn("ExecStart=/opt/horae/bin/horae serve --data /var/lib/horae", unit)
            self.assertIn("KillMode=process", unit)
            before, harness.BINARY = harness.BINARY, os.path.join(root, "bin/horae")
            self.addCleanup(setattr, harness, "BINARY", before)
            server = Server()
            try:
                server.create(name="installed", type="command", data='{"command":"echo from $0"}')
                self.assertEqual(server.finished(server.trigger("installed"))["state"], "success")
            finally:
                server.remove()
            self.make_install(folder, "/opt/horae")  # over itself
