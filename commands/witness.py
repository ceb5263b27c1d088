"""``sealdock witness``: the separate service that cosigns checkpoints of logs. It knows no sealdock home."""

import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.common import json_option, print_json, shown
from config.messages import _, ngettext

if TYPE_CHECKING:
    import ssl

_LEVELS, _FORMATS = ("debug", "info", "warning", "error"), ("auto", "json", "text")
# Whether it may be read is said by us, in a sentence of our own.
_folder = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, readable=False))


@click.group()
def witness() -> None:
    """Run a witness of logs. It cosigns those that only grow, and keeps proof of those that do not."""


@witness.command("init")
@_folder
@click.option("--name", required=True, help="Name of the witness, like witness.example.org/footage.")
@json_option
def witness_init(folder: Path, name: str, as_json: bool) -> None:
    """Make a witness in the new folder DIR. It has a key of its own, and an empty state.

    Prints the verifier key, which every agency enters that lets this witness cosign its log. Guard the key
    in the folder, and never bring back an older state: docs/witness.md says why.

    \b
    Examples:
      sealdock witness init /var/lib/sealdock-witness --name witness.example.org/footage
    """  # noqa: D301
    from hashing.notes import NoteError
    from witness.folder import create

    try:
        vkey = create(folder, name)
    except NoteError as error:
        raise click.BadParameter(str(error), param_hint="--name") from error
    if as_json:
        print_json({"folder": str(folder), "name": vkey.name, "vkey": str(vkey)})
        return
    click.echo(_("The witness {name} is in {folder}. Its verifier key:").format(name=name, folder=folder))
    click.echo(str(vkey))


@witness.command("add-log")
@_folder
@click.argument("vkey")
@click.option("--origin", help="Origin of the log, if it is another than the name in its key.")
@json_option
def witness_add_log(folder: Path, vkey: str, origin: str | None, as_json: bool) -> None:
    """Serve one more log, or one more key of a log. VKEY is what signs its checkpoints.

    A witness that runs serves it at once. Get the key from the log's agency itself, not over the network.

    \b
    Examples:
      sealdock witness add-log /var/lib/sealdock-witness "$VKEY"
      sealdock witness add-log /var/lib/sealdock-witness "$VKEY" --origin station-07.example.org/ledger
    """  # noqa: D301
    from hashing.checkpoint import Checkpoint
    from hashing.merkle import EMPTY_ROOT
    from hashing.notes import KeyType, NoteError, Vkey
    from witness.folder import opened

    try:
        key = Vkey.parse(vkey)
    except NoteError as error:
        raise click.BadParameter(str(error), param_hint="VKEY") from error
    if key.kind is not KeyType.ED25519:
        raise click.BadParameter(_("this is the key of a witness, not of a log"), param_hint="VKEY")
    name = key.name if origin is None else origin
    try:
        Checkpoint(name, 0, EMPTY_ROOT)
    except NoteError as error:
        raise click.BadParameter(str(error), param_hint="--origin") from error
    with opened(folder) as (state, _evidence):
        added = state.add_key(name, key, datetime.now(UTC))
    if as_json:
        print_json({"origin": name, "vkey": str(key), "added": added})
    elif added:
        click.echo(_("Served from now on: {origin}").format(origin=shown(name)))
    else:
        click.echo(_("That key of {origin} was trusted already.").format(origin=shown(name)))


@witness.command("logs")
@_folder
@json_option
def witness_logs(folder: Path, as_json: bool) -> None:
    """List the logs that are served. Shown are size, root and time last cosigned, and evidence.

    \b
    Examples:
      sealdock witness logs /var/lib/sealdock-witness
      sealdock witness logs /var/lib/sealdock-witness --json
    """  # noqa: D301
    from hashing.notes import encode_base64
    from witness.folder import opened

    with opened(folder) as (state, evidence):
        cases, logs, vkey = evidence.cases(), state.logs(), state.vkey
    rows: list[dict[str, Any]] = []
    for log in logs:
        kinds = [case.kind for case in cases if case.summary.get("origin") == log.origin]
        rows.append(
            {
                "origin": log.origin,
                "vkeys": [str(key) for key in log.vkeys],
                "size": log.latest.size if log.latest else None,
                "root": encode_base64(log.latest.root) if log.latest else None,
                "seen_at": log.latest.at if log.latest else None,
                "stopped": log.stopped,
                "forks": sum(kind.proven for kind in kinds),
                "suspected": sum(not kind.proven for kind in kinds),
            }
        )
    if as_json:
        print_json({"vkey": str(vkey), "logs": rows})
        return
    click.echo(str(vkey))
    for row in rows:
        seen = "-" if row["size"] is None else f"{row['size']}  {row['root']}  {row['seen_at']}"
        halt = _("STOPPED, see docs/witness.md") if row["stopped"] else ""
        about = _("FORKED: {count}").format(count=row["forks"]) if row["forks"] else ""
        doubt = _("suspected: {count}").format(count=row["suspected"]) if row["suspected"] else ""
        click.echo("  ".join(filter(None, (shown(row["origin"]), seen, halt, about, doubt))))
    click.echo(ngettext("{count} log", "{count} logs", len(rows)).format(count=len(rows)))


@witness.command("evidence")
@_folder
@json_option
def witness_evidence(folder: Path, as_json: bool) -> None:
    """List the open evidence against logs. It is two signed notes that contradict.

    Exit code 0 if there is none, 95 otherwise. A case that was dealt with is moved to evidence/answered.

    \b
    Examples:
      sealdock witness evidence /var/lib/sealdock-witness
    """  # noqa: D301
    from config.errors import WitnessForkedError
    from witness.folder import opened

    with opened(folder) as (_state, evidence):
        cases, tally = evidence.cases(), evidence.tally()
    if as_json:
        rows = [{"case": case.id, "folder": str(case.path), **case.summary} for case in cases]
        print_json({"forks": tally.forks, "suspected": tally.suspected, "cases": rows})
    else:
        for case in cases:
            click.echo(f"{case.path}  {shown(case.summary.get('origin', '-'))}")
        if tally.clean:
            click.echo(_("No evidence against any log."))
    if not tally.clean:
        raise WitnessForkedError(forks=tally.forks, suspected=tally.suspected)


@witness.command("serve")
@_folder
@click.option(
    "--listen",
    default="127.0.0.1:7380",
    show_default=True,
    envvar="SEALDOCK_WITNESS_LISTEN",
    metavar="PLACE",
    help="Where to answer, HOST:PORT.",
)
@click.option(
    "--tls-certificate",
    envvar="SEALDOCK_WITNESS_TLS_CERTIFICATE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Certificate and those above it (PEM); needed beyond this computer.",
)
@click.option(
    "--tls-key",
    envvar="SEALDOCK_WITNESS_TLS_KEY",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Key of that certificate (PEM, 0600).",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    envvar="SEALDOCK_WITNESS_BEHIND_PROXY",
    help="A proxy ends TLS and limits clients: allow plain HTTP anywhere, and no limits by address.",
)
def witness_serve(
    folder: Path, listen: str, tls_certificate: Path | None, tls_key: Path | None, behind_proxy: bool
) -> None:
    """Answer logs and auditors over HTTP, until stopped. It speaks C2SP tlog-witness.

    Every option can come from the environment, too: SEALDOCK_WITNESS_LISTEN and so on.

    \b
    Examples:
      sealdock witness serve /var/lib/sealdock-witness
      sealdock witness serve DIR --listen 0.0.0.0:443 --tls-certificate cert.pem --tls-key key.pem
      sealdock witness serve DIR --listen 10.0.0.5:7380 --behind-proxy
    """  # noqa: D301
    from config.errors import InvalidSettingError
    from config.urls import is_loopback
    from jobs.notify import notify
    from witness.folder import serving
    from witness.judge import Judge
    from witness.server import Server

    place = _place(listen)
    tls = _tls(tls_certificate, tls_key)
    if tls is None and not behind_proxy and not is_loopback(place[0]):
        raise click.UsageError(
            _("beyond this computer a witness needs --tls-certificate and --tls-key, or --behind-proxy")
        )
    _log_events()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with serving(folder) as (key, state, evidence):
        try:
            server = Server(place, Judge(key, state, evidence), tls, trusted_front=behind_proxy)
        except OSError as error:
            raise InvalidSettingError(key="--listen", problem=error.strerror or str(error)) from error
        with server:
            host = f"[{place[0]}]" if ":" in place[0] else place[0]
            url = f"{'http' if tls is None else 'https'}://{host}:{server.port}"
            notify("READY=1", f"STATUS=answers at {url}")
            click.echo(_("Witness {name} answers at {url}").format(name=key.name, url=url))
            sys.stdout.flush()
            stop.wait()
            notify("STOPPING=1")
    click.echo(_("Stopped."))


def _place(listen: str) -> tuple[str, int]:
    host, _colon, port = listen.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise click.BadParameter(_("write it like 127.0.0.1:7380"), param_hint="--listen")
    return host.strip("[]") or "127.0.0.1", int(port)


def _tls(certificate: Path | None, key: Path | None) -> "ssl.SSLContext | None":
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError(_("--tls-certificate and --tls-key go together"))
    import ssl

    from config.secret_file import read_private

    read_private("--tls-key", key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="--tls-certificate") from error
    return context


def _log_events() -> None:
    """Log as the environment says; there is no settings file here."""
    from config import logs

    level = os.environ.get("SEALDOCK_LOG_LEVEL", "info")
    form = os.environ.get("SEALDOCK_LOG_FORMAT", "auto")
    if level not in _LEVELS or form not in _FORMATS:
        raise click.UsageError(
            _("SEALDOCK_LOG_LEVEL is one of {levels}, SEALDOCK_LOG_FORMAT one of {formats}").format(
                levels=", ".join(_LEVELS), formats=", ".join(_FORMATS)
            )
        )
    logs.use(level, "json" if form == "json" else "text" if form == "text" else "auto")
