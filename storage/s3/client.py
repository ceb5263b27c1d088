"""The store's client: how it is addressed, how long it may take, and whose credentials it uses.

Credentials are ``vault.access_key`` and ``vault.secret_key``, or come from the file that
``vault.credentials_file`` names, else from where the AWS tools look: the variables AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, a profile, the machine's role.
"""

import configparser
from pathlib import Path
from typing import TYPE_CHECKING

from config.credentials import AccessKeys
from config.errors import InvalidSettingError
from config.messages import Phrase, mark
from config.secret_file import read_private
from storage.s3.address import Address

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 5
READ_SECONDS = 60
"""The store hashes and writes a part before it answers."""
ATTEMPTS = 3
CONNECTIONS = 32
_KEY, _SECRET, _TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
_SETTING = "vault.credentials_file"


Credentials = AccessKeys | Path | None
"""The keys themselves, a file that holds them, or wherever the AWS tools look."""


def open_client(address: Address, credentials: Credentials) -> "S3Client":
    """Open a client; it may be used by threads at once. Nothing is sent yet.

    Raises InvalidSettingError or KeyFileExposedError for a credentials file that cannot be used.
    """
    import boto3  # noqa: PLC0415 - a tenth of a second that only this vault needs
    from botocore.config import Config  # noqa: PLC0415 - same

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        # A store of one's own rarely has a name for every bucket; an address never has.
        # The bodies that matter carry a signed Content-MD5; TLS, or the loopback, guards the others. To sign
        # a SHA-256 of each would cost client and store as much again.
        s3={
            "addressing_style": "path" if address.endpoint else "auto",
            "payload_signing_enabled": False,
        },
        # Newer checksums are ignored by some stores and refused by others; Content-MD5 is known to all.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    region = address.region or ("us-east-1" if address.endpoint else None)
    found = read_credentials(credentials) if isinstance(credentials, Path) else credentials
    session = boto3.session.Session(
        aws_access_key_id=None if found is None else found.access_key,
        aws_secret_access_key=None if found is None else found.secret_key,
        aws_session_token=None if found is None else found.session_token,
    )
    return session.client("s3", endpoint_url=address.endpoint, region_name=region, config=config)


def read_credentials(path: Path) -> AccessKeys:
    """Read a file like ``~/.aws/credentials``; its section ``default`` counts.

    Raises InvalidSettingError (it has no key, or cannot be read) or KeyFileExposedError (others may read it).
    """
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_private(_SETTING, path))
        section = parser["default"]
        return AccessKeys(section[_KEY], section[_SECRET], section.get(_TOKEN))
    except (configparser.Error, KeyError):  # without the cause: its text may hold the secret
        problem = Phrase(
            mark(
                "the file that it names needs a section [default] with aws_access_key_id and "
                "aws_secret_access_key"
            )
        )
        raise InvalidSettingError(key=_SETTING, problem=problem) from None
