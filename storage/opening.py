"""Which vault a URL means."""

from pathlib import Path

from config.errors import InvalidSettingError
from config.messages import Phrase, mark
from storage.confirm import Confirmation
from storage.local import LocalVault
from storage.publisher import Immutable
from storage.s3.client import Credentials
from storage.s3.vault import S3Vault
from storage.vault import Vault


def open_vault(
    url: str,
    *,
    immutable: Immutable,
    state: Path,
    credentials: Credentials,
    confirmation: Confirmation,
    section: str = "vault",
) -> Vault:
    """Describe the vault at ``file:///path`` or ``s3://bucket``; nothing is read, written or sent yet.

    ``immutable`` is the local vault's; ``state`` (a folder) and ``credentials`` are a bucket's; ``section``
    of the settings has all of them. Raises InvalidSettingError for other URLs, and for a local vault that is
    to confirm by checksum.
    """
    try:
        return _opened(url, immutable, state, credentials, confirmation)
    except InvalidSettingError as error:
        name = str(error.facts["key"]).rpartition(".")[2]
        raise InvalidSettingError(key=f"{section}.{name}", problem=error.facts["problem"]) from error


def _opened(
    url: str, immutable: Immutable, state: Path, credentials: Credentials, confirmation: Confirmation
) -> Vault:
    scheme = url.partition("://")[0]
    if scheme == "file":
        if confirmation is Confirmation.CHECKSUM:
            problem = Phrase(mark("a file system keeps no checksum to compare; only a bucket's store does"))
            raise InvalidSettingError(key="vault.confirmation", problem=problem)
        return LocalVault.from_url(url, immutable=immutable)
    if scheme == "s3":
        full = confirmation is Confirmation.FULL
        return S3Vault(url, state=state, credentials=credentials, full=full)
    raise InvalidSettingError(
        key="vault.url", problem=Phrase(mark("a vault is file:///absolute/path or s3://bucket/prefix"))
    )
