"""`python -m tests.deploy.prober PORT`: asks /livez again and again, each time on a connection of its own.

It writes a line for each: how many seconds the answer took, or LATE. In a process of its own it waits for
nothing but the receiver.
"""

import socket
import sys
import time

ANSWER_SECONDS = 1.0
PAUSE_SECONDS = 0.01  # it should not be the flood itself
LATE = "late"
_ASK = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def probe(port: int) -> str:
    """Return what is to be told of one answer."""
    began = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as link:
            link.sendall(_ASK)
            good = b" 200 " in link.recv(100)
    except OSError:
        good = False
    took = time.monotonic() - began
    return f"{took:.3f}" if good and took <= ANSWER_SECONDS else LATE


if __name__ == "__main__":
    while True:
        print(probe(int(sys.argv[1])), flush=True)
        time.sleep(PAUSE_SECONDS)
