"""A relay between a replica and PostgreSQL's unix socket that can hold its breath: the network between them."""

import os
import pathlib
import socket
import threading
import time


class Relay:
    """Listens in a folder of its own under the name libpq looks for, and copies bytes both ways while it is open."""

    def __init__(self, folder, target):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.target = str(pathlib.Path(target) / ".s.PGSQL.5432")
        self.open = threading.Event()
        self.open.set()
        self.connections = set()
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / ".s.PGSQL.5432"))
        self.listener.listen(16)
        os.chmod(self.folder, 0o755)
        threading.Thread(target=self._accept, daemon=True).start()

    def pause(self):
        """Nothing passes and nothing breaks: what a lost network looks like for a while."""
        self.open.clear()

    def resume(self, broken=False):
        """Goes on; `broken`: with all connections that there were cut."""
        if broken:
            with self.lock:
                for connection in self.connections:
                    connection.close()
                self.connections.clear()
        self.open.set()

    def close(self):
        self.listener.close()
        self.resume(broken=True)

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.open.wait()
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self.target)
            except OSError:
                near.close()
                continue
            with self.lock:
                self.connections |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source, sink):
        try:
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
        except OSError:
            pass
        # A moment for the other direction to see what was sent last.
        time.sleep(0.01)
        for end in (source, sink):
            with self.lock:
                self.connections.discard(end)
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
