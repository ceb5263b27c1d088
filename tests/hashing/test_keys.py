import itertools
import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from config.errors import KeyFileExposedError, KeyFileInvalidError
from hashing import keys
from hashing.keys import Signer, load_signer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an authority and a station key."""
    authority = keys.create_authority(tmp_path / "keys", "Wujiang")
    keys.create_station_key(tmp_path / "keys", "station-1", authority)
    return tmp_path / "keys"


def load(folder: Path) -> Signer:
    return load_signer(folder / "station.key", folder / "station.pem", [folder / "authority.pem"])


def test_what_was_made_is_loaded(folder: Path) -> None:
    signer = load(folder)
    assert signer.key.public_key() == signer.certificate.public_key()
    assert isinstance(signer.key.curve, ec.SECP256R1)
    assert [item.subject for item in signer.chain] == [signer.certificate.issuer]
    signer.certificate.verify_directly_issued_by(signer.chain[0])


def test_secrets_are_for_their_owner(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {
        "authority.key": 0o600, "authority.pem": 0o644, "station.key": 0o600, "station.pem": 0o644,
    }  # fmt: skip


def test_keys_are_never_overwritten(folder: Path) -> None:
    before = (folder / "authority.key").read_bytes()
    with pytest.raises(FileExistsError):
        keys.create_authority(folder, "Wujiang")
    with pytest.raises(FileExistsError):
        keys.create_station_key(folder, "station-1", load(folder))
    assert (folder / "authority.key").read_bytes() == before


def test_openssl_accepts_the_chain(folder: Path) -> None:
    command = ["openssl", "verify", "-x509_strict", "-purpose", "smimesign", "-CAfile"]
    done = subprocess.run(
        [*command, str(folder / "authority.pem"), str(folder / "station.pem")],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr


def test_the_key_id_is_the_digest_of_the_public_key(folder: Path) -> None:
    script = "openssl x509 -in station.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum"
    done = subprocess.run(
        ["sh", "-c", script], check=True, capture_output=True, text=True, timeout=30, cwd=folder
    )
    assert done.stdout.split()[0] == load(folder).key_id


def test_the_private_key_is_not_shown(folder: Path) -> None:
    assert "rivate" not in repr(load(folder))


def test_validity(folder: Path) -> None:
    signer = load(folder)
    now = datetime.now(UTC)
    assert signer.certificate.not_valid_before_utc <= now
    assert timedelta(days=729) < signer.expires_at - now < timedelta(days=732)
    assert signer.chain[0].not_valid_after_utc > signer.expires_at


@pytest.mark.parametrize("name", ["", "x" * 300, "苏州市公安局吴江分局松陵派出所执法记录仪采集工作站一号"])
def test_long_and_chinese_names(tmp_path: Path, name: str) -> None:
    authority = keys.create_authority(tmp_path, name)
    signer = keys.create_station_key(tmp_path, name, authority)
    assert name[:15] in signer.certificate.subject.rfc4514_string()
    assert load(tmp_path).key_id == signer.key_id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601, 0o620])
def test_an_exposed_key_is_refused(folder: Path, mode: int) -> None:
    (folder / "station.key").chmod(mode)
    with pytest.raises(KeyFileExposedError) as caught:
        load(folder)
    assert caught.value.facts == {"path": str(folder / "station.key"), "mode": f"{mode:04o}"}


def test_an_exposed_key_behind_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    exposed = tmp_path / "exposed.key"
    (folder / "station.key").rename(exposed)
    exposed.chmod(0o644)
    (folder / "station.key").symlink_to(exposed)
    with pytest.raises(KeyFileExposedError):
        load(folder)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("station.key", "fifo"),
        *itertools.product(
            ["station.key", "station.pem", "authority.pem"], ["missing", "empty", "garbage", "folder"]
        ),
    ],
)
def test_files_that_are_none(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    path.unlink()
    match damage:
        case "empty":
            path.touch(0o600)
        case "garbage":
            path.touch(0o600)
            path.write_bytes(b"-----BEGIN NOTHING-----\n")
        case "folder":
            path.mkdir(0o700)
        case "fifo":
            os.mkfifo(path, 0o600)
        case _:
            pass
    with pytest.raises(KeyFileInvalidError) as caught:
        load(folder)
    assert caught.value.facts["path"] == str(path)
    assert caught.value.facts["problem"]


def test_another_keys_certificate_is_refused(folder: Path) -> None:
    with pytest.raises(KeyFileInvalidError) as caught:
        load_signer(folder / "station.key", folder / "authority.pem")
    assert caught.value.facts["path"] == str(folder / "authority.pem")


@pytest.mark.parametrize("kind", ["rsa", "encrypted"])
def test_keys_of_another_kind_are_refused(folder: Path, kind: str) -> None:
    secret: serialization.KeySerializationEncryption = serialization.NoEncryption()
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())
    if kind == "rsa":
        key = rsa.generate_private_key(65537, 2048)
    else:
        secret = serialization.BestAvailableEncryption(b"password")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    (folder / "station.key").write_bytes(pem)
    with pytest.raises(KeyFileInvalidError) as caught:
        load(folder)
    assert "password" not in str(caught.value.facts["problem"]) or kind == "encrypted"
