"""The way of a clip, shown once: ``make demo``.

Makes a small recorder card, docks it into a home of its own, gives a case's clips out, checks a seal with
openssl, then changes one byte in the vault and expects `sealdock verify` to name exactly that clip. Every
command is printed as one would type it. Exit code 0 only if everything happened as it should.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from config.errors import DigestMismatchError, LedgerCheckFailedError, VerificationFailedError
from storage.immutable import is_immutable, set_immutable

CASE = "苏吴城管罚字〔2026〕第25号"
OFFICER = "012345"
WINDOW = ("2026-03-01T09:00+08:00", "2026-03-01T10:00+08:00")
FOLDER = "DCIM/100SEALD"
RECORDED = {
    "SEAL0001.MP4": "2026-03-01T01:05:00Z",
    "SEAL0002.MP4": "2026-03-01T01:20:00Z",
    "SEAL0003.JPG": "2026-03-01T01:25:00Z",
    "SEAL0004.MP4": "2026-03-01T01:30:00Z",
    "SEAL0005.MP4": "2026-03-01T01:40:00Z",
}
"""When each clip of the card was recorded; all of them within WINDOW."""

VICTIM = "SEAL0002.MP4"
OPENSSL = ("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-out", "/dev/null")


class SurpriseError(Exception):
    """Something did not happen as this demo says it does."""


class Ran(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    output: str


def main() -> int:
    """Run the demo, or only make its card. Returns the exit code."""
    options = _options()
    if options.card is not None:
        return _only_card(options.card)
    folder = _folder(options.keep)
    started = time.monotonic()
    try:
        Demo(folder).run()
    except (SurpriseError, OSError, subprocess.SubprocessError) as surprise:
        print(f"\nThe demo FAILED: {surprise}", file=sys.stderr)
        return 1
    finally:
        if options.keep is None:
            _remove(folder)
        else:
            print(f"\nEverything is kept in {folder} (as root, `chattr -R -i` it before removing it).")
    print(f"\nThe demo passed in {time.monotonic() - started:.0f} s.")
    return 0


class Demo:
    """One run, in one folder: ``card``, ``home`` (with the vault) and ``out``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = folder / "home" / "vault"
        # A demo must never meet a home or a register that is in use here.
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SEALDOCK_")}
        language = {key: value for key, value in os.environ.items() if key == "SEALDOCK_LANGUAGE"}
        self.environment = kept | language | {"SEALDOCK_HOME": str(folder / "home")}

    def run(self) -> None:
        """Show the way of a clip. Raises SurpriseError."""
        say(f"sealdock demo, in {self.folder}")
        command_line = shlex.join(["export", f"SEALDOCK_HOME={self.folder / 'home'}"])
        print(f"$ {command_line}")
        say("1. A recorder's card: two whole videos, a photo, a video cut short, an empty one.")
        make_card(self.folder / "card", shown_as="card")
        say("2. A home for this station: settings, keys, register, vault.")
        self.sealdock("init")
        say("3. A case, and when its officer worked on it.")
        self.sealdock("case", "add", CASE, "--officer", OFFICER, "--from", WINDOW[0], "--to", WINDOW[1])
        say("4. The officer docks the recorder. This is the receipt:")
        self.sealdock("dock", "card", "--officer", OFFICER)
        say("5. All clips are safe, the damaged ones too, and found their case by officer and time.")
        ids = self._clips()
        say("6. Copies for the case file, each with its manifest and seal; every copy is logged.")
        self._retrieve()
        say("7. A seal is checked without us, by openssl; a changed manifest is refused.")
        self._check_seal()
        say("8. Everything in the vault is read again and compared with its seal.")
        self.sealdock("verify", "--level", "full")
        say(f"9. An administrator of this machine changes one byte of {VICTIM} in the vault ...")
        self._flip()
        say("   ... and verification names exactly that clip, with an exit code of its own.")
        self._name_the_victim(ids)
        say("   Nobody is given the changed clip.")
        refusal = DigestMismatchError.exit_code
        self.sealdock("retrieve", ids[VICTIM], "--purpose", "demo", "--to", "out2", code=refusal)
        if any((self.folder / "out2").iterdir()):
            raise SurpriseError("a changed clip was given out")
        say("10. Register and log of events agree; then somebody edits a row: that clip shall be of no case.")
        self.sealdock("ledger", "check")
        self._edit_a_row(ids[VICTIM])
        say("    The log knows what was entered, and names the row.")
        self._name_the_row(ids[VICTIM])
        print(SUMMARY)

    def sealdock(self, *arguments: str, code: int = 0) -> Ran:
        """Run a sealdock command as a user would."""
        return self._run(["sealdock", *arguments], actual=[*_program(), *arguments], code=code)

    def _run(self, command: Sequence[str], *, actual: Sequence[str] = (), code: int = 0) -> Ran:
        print(f"$ {_typed(command)}", flush=True)
        ran = subprocess.run(
            actual or command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        print(ran.stdout, end="", flush=True)
        if code:
            print(f"$ echo $?\n{ran.returncode}")
        if ran.returncode != code:
            raise SurpriseError(f"`{_typed(command)}` ended with {ran.returncode}, expected {code}")
        return Ran(ran.returncode, ran.stdout)

    def _clips(self) -> dict[str, str]:
        """Show the case's clips; return the id of each name."""
        output = self.sealdock("clips", "--case", CASE).output
        found = {
            line.split("/")[-1].split()[0]: line.split()[0] for line in output.splitlines() if FOLDER in line
        }
        if set(found) != set(RECORDED):
            raise SurpriseError(f"the case has the clips {sorted(found)}, expected {sorted(RECORDED)}")
        return found

    def _retrieve(self) -> None:
        self.sealdock("retrieve", "--case", CASE, "--purpose", "case review", "--to", "out")
        for name in RECORDED:
            self._run(["cmp", f"card/{FOLDER}/{name}", f"out/{name}"])
        print("(cmp is silent: the copies are what the card holds)")

    def _check_seal(self) -> None:
        manifest = "out/SEAL0001.MP4.manifest.json"
        check = [*OPENSSL, "-in", f"{manifest}.p7s", "-CAfile", "home/keys/authority.pem", "-content"]
        self._run([*check, manifest])
        editor = ["sed", f"s/{OFFICER}/999999/", manifest]
        print(f"$ {_typed(editor)} >changed.json")
        with (self.folder / "changed.json").open("wb") as changed:
            subprocess.run(editor, cwd=self.folder, stdout=changed, check=True)
        self._run(["cmp", manifest, "changed.json"], code=1)
        self._run([*check, "changed.json"], code=4)

    def _flip(self) -> None:
        digest = self._digest(self.folder / "card" / FOLDER / VICTIM)
        target = self.vault / "clips" / "sha256" / digest[:2] / digest
        shown = str(target.relative_to(self.folder))
        with target.open("rb") as file:
            offset = target.stat().st_size // 2
            file.seek(offset)
            changed = file.read(1)[0] ^ 0x01
            if is_immutable(file.fileno()):
                print(f"$ {_typed(['chattr', '-i', shown])}")
                if not set_immutable(file.fileno(), immutable=False):
                    raise SurpriseError("the immutable attribute cannot be lifted")
        self._run(["chmod", "u+w", shown])
        writer = ["dd", f"of={shown}", "bs=1", f"seek={offset}", "conv=notrunc", "status=none"]
        print(f"$ printf '\\{changed:03o}' | {_typed(writer)}")
        subprocess.run(writer, cwd=self.folder, input=bytes([changed]), check=True)
        if self._digest(target) == digest:
            raise SurpriseError("the byte in the vault did not change")

    @staticmethod
    def _digest(path: Path) -> str:
        summed = subprocess.run(["sha256sum", str(path)], capture_output=True, check=True, encoding="utf-8")
        return summed.stdout.lstrip("\\").split()[0]

    def _name_the_victim(self, ids: dict[str, str]) -> None:
        ran = self.sealdock("verify", "--level", "full", code=VerificationFailedError.exit_code)
        named = {name for name, clip in ids.items() if clip in ran.output}
        if named != {VICTIM}:
            raise SurpriseError(f"verification named {sorted(named)}, expected only {VICTIM}")

    def _edit_a_row(self, clip: str) -> None:
        statement = f"UPDATE link SET ended_at = at WHERE clip_id = '{clip}'"  # noqa: S608 - an id of our own
        program = (
            f"import sqlite3; r = sqlite3.connect('home/register.db'); r.execute(\"{statement}\"); r.commit()"
        )
        self._run(["python3", "-c", program], actual=[sys.executable, "-c", program])

    def _name_the_row(self, clip: str) -> None:
        ran = self.sealdock("ledger", "check", code=LedgerCheckFailedError.exit_code)
        named = [line for line in ran.output.splitlines() if "row edited" in line]
        if len(named) != 1 or clip not in named[0] or " link " not in named[0]:
            raise SurpriseError(f"the check named {named}, expected the link of {clip}")


SUMMARY = f"""
What you saw
  Kept      5 of 5 files of the card, the cut and the empty one too: none is left out.
  Proved    Each clip has a signed manifest. openssl accepts the seal and refuses a changed manifest.
  Found     All clips were linked to case {CASE} by officer and time.
  Logged    Every copy that was given out, with its purpose.
  Noticed   One changed byte: verification named {VICTIM} and no other clip, and nobody is given it.
            One edited row of the register: the log of events named it.

What this does not prove
  Who       The keys were made here: they show that nothing changed since, not who this station is.
  Alone     Here one machine has register, vault and the log's key: whoever owns all three could write them
            anew. A witness in other hands would find that (docs/witness.md).
  Whether   An administrator of this machine can still remove a local vault's files; that shows, but is
            not prevented."""


def make_card(card: Path, *, shown_as: str | None = None) -> None:
    """Make a recorder's card in the new folder ``card``; print the commands with that folder as ``shown_as``.

    Prints nothing if that is None. Raises SurpriseError if a command fails, ffmpeg for one.
    """
    shown = None if shown_as is None else f"{shown_as}/{FOLDER}"
    folder = card / FOLDER
    _step(["mkdir", "-p"], shown, folder, "")
    for name, seconds in (("SEAL0001.MP4", 4), ("SEAL0002.MP4", 3)):
        picture = f"testsrc=size=640x360:rate=25:duration={seconds}"
        command = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", picture]
        command += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-c:v", "mpeg4"]
        command += ["-c:a", "aac", "-shortest", "-movflags", "+faststart"]
        _step([*command, "-metadata", f"creation_time={RECORDED[name]}"], shown, folder, name)
    still = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc=size=640x360:duration=1"]
    _step([*still, "-frames:v", "1"], shown, folder, "SEAL0003.JPG")
    _step(["cp"], shown, folder, "SEAL0002.MP4", "SEAL0004.MP4")
    _step(["truncate", "-s", "100000"], shown, folder, "SEAL0004.MP4")
    _step(["truncate", "-s", "0"], shown, folder, "SEAL0005.MP4")
    for name, moment in RECORDED.items():
        _step(["touch", "-d", moment], shown, folder, name)


def _only_card(card: Path) -> int:
    if card.exists():
        _give_up(f"{card} exists already; name a new folder")
    try:
        make_card(card)
    except (SurpriseError, OSError) as surprise:
        _give_up(f"The card cannot be made: {surprise}")
    print(f"{len(RECORDED)} files in {card}/{FOLDER}")
    return 0


def _step(command: Sequence[str], shown: str | None, folder: Path, *names: str) -> None:
    """Run a command on files of the card, and print it with the folder as ``shown``."""
    if shown is not None:
        print(f"$ {_typed([*command, *(f'{shown}/{name}'.rstrip('/') for name in names)])}", flush=True)
    ran = subprocess.run([*command, *(str(folder / name) for name in names)], check=False)
    if ran.returncode:
        raise SurpriseError(f"{command[0]} ended with {ran.returncode}")


def say(text: str) -> None:
    """Print a heading."""
    bold = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold[0]}{text}{bold[1]}")


def _typed(command: Sequence[str]) -> str:
    return " ".join(
        word if word and not set(word) & set(" \t\"'\\$`*?#~&|;<>(){}[]!") else shlex.quote(word)
        for word in command
    )


def _program() -> list[str]:
    """Return the sealdock command of this Python."""
    script = Path(sys.executable).with_name("sealdock")
    return [str(script)] if script.exists() else [sys.executable, "-m", "cli"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo.py", description="Show the way of a clip, in under a minute.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--keep", type=Path, metavar="DIR", help="work in this new folder and keep it")
    choice.add_argument("--card", type=Path, metavar="DIR", help="only make the recorder's card, there")
    return parser.parse_args()


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="sealdock-demo-"))
    try:
        keep.mkdir(parents=True)
    except OSError as error:
        _give_up(f"{keep} cannot be made: {error.strerror}; name a new folder")
    return keep.resolve()


def _give_up(problem: str) -> NoReturn:
    print(problem, file=sys.stderr)
    raise SystemExit(2)


def _remove(folder: Path) -> None:
    """Remove the demo's own folder; as root, its vault's files are immutable first."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if is_immutable(file.fileno()):
                    set_immutable(file.fileno(), immutable=False)
    shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
