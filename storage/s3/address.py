"""Where a vault in a bucket is: ``s3://BUCKET[/PREFIX][?endpoint_url=URL&region=NAME]``."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from config.errors import InvalidSettingError
from config.messages import Phrase, mark
from config.urls import check_vault_url
from storage.layout import is_key


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket, what all keys in it begin with, and where its store is; no secrets."""

    url: str
    """As the settings have it."""
    bucket: str
    prefix: str = ""
    """Empty, or ends in a slash: several vaults may share a bucket."""
    endpoint: str | None = None
    """URL of the store; None for AWS."""
    region: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read the URL of a vault. InvalidSettingError for what is none, or would carry a secret."""
        try:
            check_vault_url(url)
        except ValueError as error:
            raise InvalidSettingError(key="vault.url", problem=Phrase(str(error))) from error
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        prefix = unquote(parts.path).strip("/")
        if prefix and not is_key(prefix):
            raise InvalidSettingError(
                key="vault.url", problem=Phrase(mark("the prefix is not made like a key"))
            )
        return cls(
            url=url,
            bucket=parts.netloc,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=query.get("endpoint_url", [None])[0],
            region=query.get("region", [None])[0],
        )
