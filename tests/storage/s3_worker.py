"""Another process that puts one file into a bucket; see test_s3_multipart."""

import sys
from datetime import datetime
from pathlib import Path

from hashing.digest import Digest
from storage.s3.vault import S3Vault


def main() -> None:
    url, state, credentials, path, key, until = sys.argv[1:]
    data = Path(path).read_bytes()
    vault = S3Vault(url, state=Path(state), credentials=Path(credentials))
    vault.put_file(
        key,
        Path(path),
        digest=Digest.sha256(data),
        size=len(data),
        lock_until=datetime.fromisoformat(until),
    )


main()
