"""Another process that puts one file when it is told to; see ``VaultContract``."""

import base64
import json
import pickle
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from hashing.digest import Digest


def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    vault = pickle.loads(base64.b64decode(task["vault"]))()  # noqa: S301 - our own parent wrote it
    while not Path(task["go"]).exists():
        time.sleep(0.001)
    stored = vault.put_file(
        task["key"],
        Path(task["path"]),
        digest=Digest.parse(f"sha256:{task['sha256']}"),
        size=task["size"],
        lock_until=datetime.fromisoformat(task["until"]),
    )
    json.dump({"adopted": stored.adopted, "version": stored.version}, sys.stdout)


main()
