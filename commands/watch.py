"""``sealdock watch``: the station service."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.common import open_node
from config.messages import _

if TYPE_CHECKING:
    from jobs.liveness import Heart
    from jobs.node import Node
    from jobs.watching import Watch


_GARBAGE = 2_000
"""Objects after which the station service looks for garbage."""


@click.command()
@click.argument("roots", metavar="ROOT...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.pass_context
def watch(ctx: click.Context, roots: tuple[Path, ...]) -> None:
    """Dock whatever appears under the ROOTs, until stopped.

    A volume that is mounted under a ROOT is docked once for each time it appears there. A plain folder
    under a ROOT is docked when nothing in it has changed for a while. Recorders that nobody has accepted
    are put into quarantine: their inventory is taken, and nothing is read (see `sealdock recorders accept`).
    Other commands work meanwhile; `dock` hands its card to this process.

    \b
    Examples:
      sealdock watch /media/recorders
      SEALDOCK_WATCH_UNKNOWN_VOLUMES=accept sealdock watch /media/recorders /srv/drop
    """  # noqa: D301
    with open_node(ctx) as node:
        from ingest.source import FolderSource
        from jobs.engine import Executor
        from jobs.ledger.schedule import publishing_on_schedule
        from jobs.liveness import Heart, Watchdog
        from jobs.notify import notify
        from jobs.watching import QUEUES, Watch, distinct

        for root in roots:
            FolderSource(root).close()  # what is no folder is an error now, not a service that sees nothing
        stop, wake = threading.Event(), threading.Event()
        limits = node.settings.watch
        heart = Heart(node.home, limits.rescan_seconds + limits.stall_seconds)
        with (
            Executor(node, queues=QUEUES, service=True) as executor,
            heart,
            _listening(node, heart),
            Watchdog(lambda: heart.last.alive),
            publishing_on_schedule(node),
            _stopping(stop, wake),
            _events(roots, wake),
        ):
            service = Watch(node, executor, distinct(roots), beat=heart.beat)
            # What ends soon looks for garbage rarely (cli.main); what stays must not pile it up.
            gc.freeze()
            gc.set_threshold(_GARBAGE)
            notify("READY=1")
            where = ", ".join(str(root) for root in service.roots)
            click.echo(_("Watching {roots}. Stop with Ctrl-C or SIGTERM.").format(roots=where))
            service.run(stop, wake, lambda: _tell(service))
            notify("STOPPING=1")
            click.echo(_("Stopped. What was not finished goes on at the next start."))
            sys.stdout.flush()
            # At once: threads of the engine may be at work with what closing would take away.
            os._exit(0)


def _tell(service: "Watch") -> None:
    from jobs.notify import notify

    notify("WATCHDOG=1", f"STATUS={service.under_way} dockings under way")


@contextmanager
def _listening(node: "Node", heart: "Heart") -> Iterator[None]:
    """Answer for metrics and health, where the settings say so."""
    listen = node.settings.metrics.listen
    if not listen:
        yield
        return
    from jobs.health import Station
    from jobs.listener import Listener

    with Listener(listen, Station(node), heart):
        yield


@contextmanager
def _stopping(stop: threading.Event, wake: threading.Event) -> Iterator[None]:
    """Stop on SIGTERM and SIGINT; a second signal ends the process at once, which is safe, too."""

    def ask(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()
        wake.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _events(roots: tuple[Path, ...], wake: threading.Event) -> Iterator[None]:
    """Set ``wake`` when something appears in a root, where the system tells."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    class Waker(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:  # noqa: ARG002 - any is a reason to look
            wake.set()

    observer = Observer()
    for root in roots:
        observer.schedule(Waker(), str(root), recursive=False)
    observer.start()
    try:
        yield
    finally:
        observer.stop()
        observer.join()
