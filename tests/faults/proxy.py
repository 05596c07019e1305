"""A TCP proxy before PostgreSQL that loses answers: the hardest fault of a commit is not to hear of it.

Armed with a word and a way, it lets everything through until a client sends something that holds the word, and then
cuts that connection: `answer` passes the request on and throws the answer away, `request` does not even pass it on,
`stall` passes it on, keeps both sides waiting for some seconds, and cuts then. Everything else passes untouched.
"""

import socket
import threading
import time
from typing import Literal

Way = Literal["answer", "request", "stall"]
PIECE = 65536
STALL_S = 4.0


class Proxy:
    """Passes connections on to a port of the loopback address."""

    def __init__(self, target: int, *, port: int = 0) -> None:
        """Listen at once, on a free port unless one is named."""
        self.target = target
        self.cuts = 0
        self._word = b""
        self._way: Way = "answer"
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, word: bytes, way: Way) -> None:
        """Cut the next connection on which a client sends this word."""
        with self._lock:
            self._word, self._way = word, way

    def disarm(self) -> None:
        """Let everything pass again."""
        with self._lock:
            self._word = b""

    def close(self) -> None:
        """Listen no more; connections that are open end with their two sides."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deaf = threading.Event()  # the client hears no more
        back = threading.Thread(target=self._pass_back, args=(server, client, deaf), daemon=True)
        back.start()
        try:
            self._pass_on(client, server, deaf)
        except OSError:
            pass  # one of the two has gone: the end of this connection
        finally:
            _end(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket, deaf: threading.Event) -> None:
        while piece := client.recv(PIECE):
            way = self._taken(piece)
            if way is None:
                server.sendall(piece)
                continue
            deaf.set()
            if way != "request":
                server.sendall(piece)
                # The server has to have read it before it sees us go.
                time.sleep(STALL_S if way == "stall" else 0.05)
            return

    def _taken(self, piece: bytes) -> Way | None:
        """Return how this piece's connection is to be cut, None to let it pass; a word counts once."""
        if not self._word:
            return None
        with self._lock:
            if not self._word or self._word not in piece:
                return None
            self._word = b""
            self.cuts += 1
            return self._way

    @staticmethod
    def _pass_back(server: socket.socket, client: socket.socket, deaf: threading.Event) -> None:
        try:
            while piece := server.recv(PIECE):
                if not deaf.is_set():
                    client.sendall(piece)
        except OSError:
            pass  # as above
        if not deaf.is_set():
            _end(client, server)


def _end(*sides: socket.socket) -> None:
    for side in sides:
        try:
            side.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was not connected any more
        side.close()
