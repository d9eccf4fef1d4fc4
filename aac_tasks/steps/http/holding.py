"""Ports that were given out and are not listened on yet, kept from others who use the same network.

A name in the abstract namespace of unix sockets (unix(7)) belongs to the network namespace, as ports do: whoever shares
the ports sees the name, whatever their user or cache folder, and the kernel frees it when its holder ends.
"""

from __future__ import annotations

import socket
import threading

NAME = "\0aac-port-{}"

_held: dict[int, socket.socket] = {}
_guard = threading.Lock()


def hold(port: int) -> bool:
    """Keep a port until `let_go`, or until this process ends; False when somebody has it already (Linux)."""
    with _guard:
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            holder.bind(NAME.format(port))
        except OSError:
            holder.close()
            return False
        _held[port] = holder
        return True


def let_go(port: int) -> None:
    """Give it back; nothing happens when this process does not hold it."""
    with _guard:
        holder = _held.pop(port, None)
    if holder is not None:
        holder.close()
