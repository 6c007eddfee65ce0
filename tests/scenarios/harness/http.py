"""HTTP to the admin socket, for what no command asks."""
import http.client
import json
import os
import socket


class _Unix(http.client.HTTPConnection):
    def __init__(self, directory, name, timeout):
        super().__init__("localhost", timeout=timeout)
        self._directory, self._name = directory, name

    def connect(self):
        """By way of the directory's descriptor: a socket's name is limited to 108 bytes."""
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{directory}/{self._name}")
        finally:
            os.close(directory)


def request(daemon, method, path, timeout=60, body=None):
    """(status, text) of the answer; an OSError when nobody answers."""
    connection = _Unix(daemon.runtime, "admin.sock", timeout)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def post(daemon, path, timeout=60):
    """(status, JSON) of what was asked to be done."""
    status, text = request(daemon, "POST", path, timeout)
    return status, json.loads(text) if text else None


def reload(daemon):
    """The result, when what is configured now is applied or held back."""
    status, result = post(daemon, "/v1/reload", 130)
    assert status == 200, (status, result)
    return result
