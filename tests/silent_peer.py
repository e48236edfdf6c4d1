# SPDX-License-Identifier: Apache-2.0
"""Takes connections and says nothing; a process of its own, since thousands of them need its descriptors. Prints its URL."""
import resource
import socket


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    taken = []
    while True:
        taken.append(listener.accept())


main()
