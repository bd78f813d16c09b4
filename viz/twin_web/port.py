"""The port of the page: taken before anything heavy is imported, so that one in use is said at once."""

import errno
import socket

from twin.errors import InputError

HOST = "127.0.0.1"  # this machine alone; from another one: ssh -L


def listen(port: int) -> socket.socket:
    """Return a socket that listens at a port of this machine; 0: one that is free.

    Raises
    ------
    InputError
        If another program has the port, or it is not to be had.
    """
    try:
        return socket.create_server((HOST, port), backlog=128)
    except OSError as error:
        why = "another program listens there" if error.errno == errno.EADDRINUSE else str(error.strerror)
        raise InputError(
            f"port {port} cannot be used: {why}; choose another one, or --port 0 for any that is free"
        ) from None
