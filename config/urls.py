"""Checks of the addresses in the settings. No message repeats an address: it may hold a password."""

import ipaddress
import os
import re
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from config.messages import mark

NEEDS_TLS = mark("a database on another computer needs sslmode=verify-full (or verify-ca, require)")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SAFE_SSL_MODES = frozenset({"require", "verify-ca", "verify-full"})


def is_loopback(host: str | None) -> bool:
    """Say whether a host name or address is this computer itself."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_timestamp_url(url: str) -> str:
    """Return a timestamp service's URL as it is; ValueError unless https, or http to this computer."""
    if not url:
        return url
    parts = _split(url)
    if not parts.hostname or parts.scheme not in {"https", "http"}:
        raise ValueError(mark("write it like https://host/path"))
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(mark("use https; plain http is for this computer only"))
    return url


def check_database_url(url: str) -> str:
    """Return a database URL as it is; ValueError if it is none, or goes over a network without TLS.

    Which databases are spoken is for the register to say.
    """
    if not url:
        return url
    parts = _split(url)
    if not parts.scheme or "://" not in url:
        raise ValueError(mark("write it like sqlite:////path or postgresql+psycopg://user@host/name"))
    backend = parts.scheme.partition("+")[0]
    if backend == "sqlite" and not parts.path.startswith("//"):  # another working folder, another register
        raise ValueError(mark("an SQLite file is written sqlite:////absolute/path, with four slashes"))
    if backend not in {"postgresql", "postgres"}:
        return url
    query = parse_qs(parts.query)
    hosts = query.get("host", []) + query.get("hostaddr", []) or [parts.hostname or ""]
    # An empty host and one that is a path are Unix sockets.
    local = all(not host or host.startswith("/") or is_loopback(host) for host in hosts)
    if not local and query.get("sslmode", [""])[-1] not in _SAFE_SSL_MODES:
        raise ValueError(NEEDS_TLS)
    return url


def check_vault_url(url: str) -> str:
    """Return a vault's URL as it is; ValueError unless it has a scheme, and a file URL an absolute path."""
    if not url:
        return url
    parts = _split(url)
    if not parts.scheme or "://" not in url:
        raise ValueError(mark("write it like file:///srv/vault"))
    if parts.scheme == "s3":
        _check_bucket(parts)
    if parts.scheme == "file" and (parts.netloc not in {"", "localhost"} or not parts.path.startswith("/")):
        raise ValueError(mark("a local vault is written file:///absolute/path"))
    return url


def vaults_overlap(one: str, other: str) -> bool:
    """Tell whether two vaults' URLs name the same place, or one inside the other, as far as names tell."""
    (store, path), (other_store, other_path) = _place(one), _place(other)
    shorter = min(len(path), len(other_path))
    return store == other_store and path[:shorter] == other_path[:shorter]


def _place(url: str) -> tuple[str, list[str]]:
    """Return what names the store of a vault (empty: this computer's files), and its path there in parts."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme == "file":
        return "", [part for part in os.path.realpath(path).split("/") if part]
    endpoint = urlsplit(parse_qs(parts.query).get("endpoint_url", [""])[0])
    port = endpoint.port or {"http": 80, "https": 443}.get(endpoint.scheme)
    store = f"{parts.scheme}://{parts.netloc}@{endpoint.hostname}:{port}"
    return store, [part for part in path.split("/") if part]


def _check_bucket(parts: SplitResult) -> None:
    """Raise ValueError unless these are the parts of s3://BUCKET[/PREFIX][?endpoint_url=URL&region=NAME]."""
    if not _BUCKET.fullmatch(parts.netloc):
        raise ValueError(mark("write it like s3://bucket/prefix; credentials have a file of their own"))
    query = parse_qs(parts.query, keep_blank_values=True)
    if set(query) - {"endpoint_url", "region"} or any(len(values) > 1 for values in query.values()):
        raise ValueError(mark("a bucket's URL knows the parameters endpoint_url and region, each once"))
    if parts.fragment:
        raise ValueError(mark("a bucket's URL knows the parameters endpoint_url and region, each once"))
    if "endpoint_url" not in query:
        return
    endpoint = _split(query["endpoint_url"][0])
    if not endpoint.hostname or endpoint.scheme not in {"https", "http"} or "@" in endpoint.netloc:
        raise ValueError(mark("endpoint_url is written like https://host:port"))
    if endpoint.scheme == "http" and not is_loopback(endpoint.hostname):
        raise ValueError(mark("use https; plain http is for this computer only"))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed only when asked for
    except ValueError:
        raise ValueError(mark("this is not a URL")) from None
    return parts
