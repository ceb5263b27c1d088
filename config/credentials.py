"""Credentials of a store, as the settings give them."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """An S3 access key and its secret; a session token goes with keys that are good for a while only."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
