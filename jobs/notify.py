"""What the service manager is told (sd_notify(3)): one datagram to the socket that it names, or nothing."""

import os
import socket
from contextlib import suppress


def notify(*lines: str) -> None:
    """Send lines such as ``READY=1``; without a service manager, or if it does not listen, do nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in {"/", "@"}:
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto("\n".join(lines).encode(), name)
