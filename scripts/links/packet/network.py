"""The device's network namespace, a TUN device on either side of the link, and the end of both.

TUN devices go with the process that opened them. The namespace does not, so a process of its own waits for the end of
this one, however it comes, and removes it.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

from forward import MTU

LEAST_PYTHON = (3, 9)
TUN_DEVICE = "/dev/net/tun"
TUN_NAME = "offramp"
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
IFREQ = "16sH22x"
QUEUED_PACKETS = 4096
"""Between the kernel and this process; the link's own queue is in the model, and this one must not be felt."""
NAMESPACE = re.compile(r"offramp-[a-z0-9][a-z0-9-]{0,60}")
LOCK_WAIT_S = 3.0


class NetworkError(RuntimeError):
    """Why the network cannot be as it was asked for."""


@dataclass(frozen=True)
class Places:
    """Who is where: the device's namespace, and the addresses of the two ends."""

    namespace: str
    server: str
    device: str


def lacking() -> str | None:
    """Why no link can be made here; None when one can."""
    if sys.version_info < LEAST_PYTHON:
        return f"got Python {sys.version.split()[0]}, needs {'.'.join(map(str, LEAST_PYTHON))} or later"
    if not os.path.exists(TUN_DEVICE):
        return f"there is no {TUN_DEVICE}: needs Linux with the tun module (modprobe tun)"
    if os.geteuid() != 0:
        return "needs root, for network namespaces and TUN devices: run it with sudo"
    if _ip_command() is None:
        return "there is no ip command: install iproute2"
    try:
        os.close(open_tun()[0])
    except OSError as error:
        return f"cannot make a TUN device ({error.strerror}): needs CAP_NET_ADMIN and CAP_SYS_ADMIN, which a container may lack"
    return None


def hold_name(namespace: str) -> socket.socket:
    """Keeps a namespace's name for this process and those that it forks. Raises NetworkError when another has it."""
    if NAMESPACE.fullmatch(namespace) is None:
        # Any namespace of that name is removed, so it must not be one of somebody else.
        raise NetworkError(f"namespace: got {namespace!r}, expected offramp- and small letters, digits or hyphens")
    until = time.monotonic() + LOCK_WAIT_S
    while (lock := _lock(namespace)) is None:
        if time.monotonic() > until:
            raise NetworkError(f"namespace: {namespace} is in use by another link, expected a name of its own")
        # It may be about to end.
        time.sleep(0.05)
    return lock


class Guard:
    """A process that removes a namespace when this one ends, even by SIGKILL."""

    def __init__(self, namespace: str) -> None:
        reading, self._held = os.pipe()
        self._pid = os.fork()
        if self._pid != 0:
            os.close(reading)
            return
        try:
            os.close(self._held)
            os.setsid()
            for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(ignored, signal.SIG_IGN)
            os.read(reading, 1)
            remove_namespace(namespace)
        finally:
            os._exit(0)

    def release(self) -> None:
        """Has the namespace removed, and waits for that."""
        os.close(self._held)
        os.waitpid(self._pid, 0)


def remove_namespace(namespace: str) -> None:
    """Removes a namespace where there is one. What runs in it goes on, without a network."""
    if os.path.exists(f"/run/netns/{namespace}"):
        ip("netns", "delete", namespace)


def choose_places(namespace: str, server: str | None, device: str | None, stack: ExitStack) -> Places:
    """Addresses that nobody uses, where none are said, kept from other links for as long as the stack is open.

    Raises NetworkError when what is said is taken, or nothing is free.
    """
    networks = Networks()
    own = server or _free_server(networks, stack)
    devices = [device] if device is not None else [f"{own.rpartition('.')[0]}.{host}" for host in range(2, 255)]
    taken: str | None = None
    for other in devices:
        if other == own or (taken := networks.taken(own, other)) is not None:
            continue
        lock = _lock(f"offramp-device-{other}")
        if lock is not None:
            stack.enter_context(lock)
            return Places(namespace, own, other)
    why = f", of which this machine has {taken}" if taken is not None else ""
    raise NetworkError(f"addresses: got server {own} and device {device or 'any'}{why}, expected a free pair")


def keep_free_server(stack: ExitStack) -> str:
    """An address for a server that several links lead to, kept for as long as the stack is open."""
    server = _free_server(Networks(), stack)
    tun, interface = open_tun()
    stack.callback(os.close, tun)
    ip("link", "set", "dev", interface, "addrgenmode", "none")
    ip("address", "add", f"{server}/32", "dev", interface)
    ip("link", "set", "dev", interface, "up")
    return server


def _free_server(networks: Networks, stack: ExitStack) -> str:
    for number in range(256):
        server = f"10.213.{number}.1"
        lock = _lock(f"offramp-server-{server}")
        if lock is None:
            continue
        if networks.taken(server, f"10.213.{number}.2") is None:
            stack.enter_context(lock)
            return server
        lock.close()
    raise NetworkError("addresses: got 10.213.0.0/16 without a free place, expected one, or --server and --device")


class Networks:
    """The IPv4 networks that this machine has, as they are now."""

    def __init__(self) -> None:
        routes = json.loads(ip("-json", "-4", "route", "show", "table", "all"))
        self._found = [
            (ipaddress.IPv4Network(route["dst"]), str(route.get("dev", "nowhere")))
            for route in routes
            if route.get("dst", "default") != "default"
        ]

    def taken(self, server: str, device: str) -> str | None:
        """The network that one of the addresses is in, other than as an end of our links; None when none is."""
        ends = [_address(server), _address(device)]
        for network, interface in self._found:
            # Links to several devices share the server's address.
            ours = interface.startswith(TUN_NAME)
            if ends[1] in network or (ends[0] in network and not ours):
                return f"{network} ({interface})"
        return None


def open_tun() -> tuple[int, str]:
    """A TUN device, not yet up: its file, one IP packet a read or write, and its name. It goes when the file is closed."""
    file = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    # Without offloads (no IFF_VNET_HDR), the kernel hands over whole packets of an MTU with their checksums.
    request = struct.pack(IFREQ, f"{TUN_NAME}%d".encode(), IFF_TUN | IFF_NO_PI)
    name = fcntl.ioctl(file, TUNSETIFF, request)[:16].rstrip(b"\0").decode()
    return file, name


def set_up_server(interface: str, places: Places, congestion: str | None) -> None:
    """Gives the server's side its address, in the namespace of this process."""
    _set_up((), interface, places.server, places.device, congestion)
    # What the kernel remembers of another link with these addresses: round trip, window.
    subprocess.run([_ip(), "tcp_metrics", "flush", places.device], capture_output=True, check=False)


def set_up_device(interface: str, places: Places, congestion: str | None) -> None:
    """Makes the device's namespace and puts its side there."""
    remove_namespace(places.namespace)
    ip("netns", "add", places.namespace)
    ip("link", "set", "dev", interface, "netns", places.namespace)
    inside = ("-netns", places.namespace)
    ip(*inside, "link", "set", "dev", "lo", "up")
    _set_up(inside, interface, places.device, places.server, congestion)


def congestion_control() -> str:
    """What the kernel uses for connections where nothing else is said."""
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
        return file.read().strip()


def refuse_congestion(name: str) -> None:
    """Raises NetworkError for a congestion control that the kernel has not got."""
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
        available = file.read().split()
    if name not in available:
        raise NetworkError(f"congestion: got {name!r}, expected one of {', '.join(available)}")


def ip(*arguments: str) -> str:
    """Runs `ip`. Raises NetworkError with its words."""
    done = subprocess.run([_ip(), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _set_up(inside: tuple[str, ...], interface: str, own: str, other: str, congestion: str | None) -> None:
    link = (*inside, "link", "set", "dev", interface)
    # No IPv6: its own packets would take room on the link.
    ip(*link, "addrgenmode", "none")
    ip(*link, "mtu", str(MTU), "txqueuelen", str(QUEUED_PACKETS))
    ip(*inside, "address", "add", own, "peer", f"{other}/32", "dev", interface)
    ip(*link, "up")
    if congestion is not None:
        route = (f"{other}/32", "dev", interface, "scope", "link", "src", own, "congctl", congestion)
        ip(*inside, "route", "replace", *route)


def _address(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise NetworkError(f"addresses: got {text!r}, expected an IPv4 address such as 10.213.0.1") from None


def _lock(name: str) -> socket.socket | None:
    """Something that one process at a time can have, and that goes with the last process that has it."""
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0{name}")
    except OSError:
        lock.close()
        return None
    return lock


def _ip_command() -> str | None:
    # sudo and services may leave the system's own folders out.
    return shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _ip() -> str:
    return _ip_command() or "ip"
