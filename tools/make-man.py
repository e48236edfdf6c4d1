#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/horae.1 from what the program says about itself, so that the page and --help agree: make-man.py BINARY"""
import re
import subprocess
import sys

HEAD = r""".\" SPDX-License-Identifier: Apache-2.0
.\" Made by tools/make-man.py (make man) from the program's own help.
.TH HORAE 1 "" "horae" "User Commands"
.SH NAME
horae \- schedule, run and record work
.SH SYNOPSIS
.B horae
.I COMMAND
.RI [ ARGUMENT \&...]
.SH DESCRIPTION
.B horae serve
decides when work runs, runs it, and proves that it ran. The other commands talk to a server or work on a file; each has
.BR \-\-help ,
and each of their subcommands too.
.SH COMMANDS
"""

TAIL = r""".SH EXIT STATUS
0 done, 1 failed, 2 usage, 3 server unreachable, 4 not allowed.
.SH ENVIRONMENT
Settings of the server are listed with their variables under
.BR "horae serve" .
The commands that talk to a server read:
.TP
.BR HORAE_URL ", " HORAE_TOKEN ", " HORAE_CA
Server, token, and the certificates that https:// servers are checked with; options
.BR \-\-server ", " \-\-token ", " \-\-ca .
.TP
.B HORAE_DATA
Data folder of a server on this machine, where
.I cli\-token
is looked for; else
.I ./data
and
.IR /var/lib/horae .
That token is sent to this machine only.
.TP
.B NO_COLOR
No colours on a terminal.
.TP
.B TZ
Zone that times are shown in.
.TP
.B TZDIR
Folder of the time zone files instead of
.IR /usr/share/zoneinfo ;
read by the server too.
.TP
.BR VISUAL ", " EDITOR
Of
.BR "horae task edit" .
.SH FILES
.TP
.I DIR/horae.db
The database.
.TP
.I DIR/logs
Output of commands.
.TP
.I DIR/cli\-token
Lets the command line on the same machine work.
.TP
.I DIR/admin\-password
Password of the first user
.IR admin ;
delete it after the first sign-in.
.SH SIGNALS
SIGTERM and SIGINT stop the server: what runs may go on within the stop time-out; a second signal ends it. SIGUSR2 hands over:
commands run on and are adopted by the next server.
.SH SEE ALSO
.BR crontab (5),
.BR systemd.time (7)
"""


def ask(binary, *arguments):
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=True).stdout


def roff(text):
    """Text as it is, line by line."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in escaped.rstrip("\n").split("\n")) + "\n"


def main():
    binary = sys.argv[1]
    page = [HEAD]
    for name, summary in re.findall(r"^  ([a-z]+) +(\S.*)$", ask(binary, "--help"), re.M):
        page.append(f".SS horae {name}\n{roff(summary[0].upper() + summary[1:])}")
        if name not in ("help", "version"):
            page.append(".PP\n.nf\n" + roff(ask(binary, name, "--help")) + ".fi\n")
    sys.stdout.write("".join(page) + TAIL)


main()
