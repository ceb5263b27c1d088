"""Which vault a URL means."""

from pathlib import Path

from config.errors import InvalidSettingError
from config.messages import Phrase, mark
from storage.local import LocalVault
from storage.publisher import Immutable
from storage.s3.client import Credentials
from storage.s3.vault import S3Vault
from storage.vault import Vault


def open_vault(url: str, *, immutable: Immutable, state: Path, credentials: Credentials) -> Vault:
    """Describe the vault at ``file:///path`` or ``s3://bucket``; nothing is read, written or sent yet.

    ``immutable`` is the local vault's; ``state`` (a folder) and ``credentials`` are a bucket's.
    Raises InvalidSettingError for other URLs.
    """
    scheme = url.partition("://")[0]
    if scheme == "file":
        return LocalVault.from_url(url, immutable=immutable)
    if scheme == "s3":
        return S3Vault(url, state=state, credentials=credentials)
    raise InvalidSettingError(
        key="vault.url", problem=Phrase(mark("a vault is file:///absolute/path or s3://bucket/prefix"))
    )
