"""Errors of digests, manifests, seals, timestamps and keys: exit codes 40 to 47."""

from config.errors.base import SealdockError
from config.messages import mark


class HashingError(SealdockError):
    """Base: digests, seals, timestamps and keys."""


class IntegrityError(HashingError):
    """Base: something is not what it was sealed as. Never retried into success."""


class DigestMismatchError(IntegrityError):
    """Bytes that have another digest. Facts: what, algorithm, expected, found."""

    code = "digest-mismatch"
    exit_code = 40
    happened = mark(
        "{what} is not what it should be: its {algorithm} digest is {found}, expected {expected}."
    )
    safe = mark("The bytes were not accepted as evidence; nothing was overwritten or deleted.")
    todo = mark("Leave everything as it is and tell the evidence clerk; do not clear the recorder.")


class ManifestInvalidError(IntegrityError):
    """A manifest that cannot be read as one. Facts: problem."""

    code = "manifest-invalid"
    exit_code = 41
    happened = mark("The manifest is not valid: {problem}.")
    safe = mark("Nothing was changed; the clip that it describes is untouched.")
    todo = mark(
        "Fetch the manifest from the vault again and verify it; "
        "if it fails there too, tell the evidence clerk."
    )


class SealInvalidError(IntegrityError):
    """A signature that does not hold. Facts: what, problem."""

    code = "seal-invalid"
    exit_code = 42
    happened = mark("The seal of {what} does not hold: {problem}.")
    safe = mark("Nothing was changed; the clip and its seal are kept as they are.")
    todo = mark(
        "Check that keys.trust_roots names the right certificates; if it does, tell the evidence clerk."
    )


class TimestampInvalidError(IntegrityError):
    """A timestamp token that does not fit or is not trusted. Facts: url, problem."""

    code = "timestamp-invalid"
    exit_code = 43
    happened = mark("The trusted timestamp from {url} was refused: {problem}.")
    safe = mark("The clip is sealed and stored; its timestamp stays pending.")
    todo = mark("Check timestamp.url and timestamp.trust_roots, and ask the timestamp service.")


class VerificationFailedError(IntegrityError):
    """A verification with findings. Facts: failed, checked (how many)."""

    code = "verification-failed"
    exit_code = 44
    happened = mark("Verification found faults: {failed} of {checked} objects checked failed.")
    safe = mark("Nothing was changed; all other objects checked are as they were sealed.")
    todo = mark("See the findings above, leave the objects as they are, and tell the evidence clerk.")


class TimestampUnavailableError(HashingError):
    """The timestamp service gives no answer. Facts: url, problem."""

    code = "timestamp-unavailable"
    exit_code = 45
    happened = mark("The timestamp service at {url} did not answer: {problem}.")
    safe = mark("The clip is sealed and stored; its timestamp stays pending.")
    todo = mark("Nothing has to be done; the timestamp is asked for again. Check the network if this lasts.")
    retriable = True


class KeyFileError(HashingError):
    """Base: a file with a key or another secret cannot be used."""


class KeyFileExposedError(KeyFileError):
    """A secret that others may read. Facts: path, mode (text such as 0644)."""

    code = "key-file-exposed"
    exit_code = 46
    happened = mark("{path} holds a secret, but other users of this computer can read it (mode {mode}).")
    safe = mark("The secret was not used; nothing was signed or opened with it.")
    todo = mark("Run chmod 600 on the file. If others may have read it, replace the key or password.")


class KeyFileInvalidError(KeyFileError):
    """A key or certificate that cannot be used. Facts: path, problem."""

    code = "key-file-invalid"
    exit_code = 47
    happened = mark("The key or certificate file {path} cannot be used: {problem}.")
    safe = mark("Nothing was signed.")
    todo = mark("Name the right file in the section keys of the settings, or restore it from the backup.")
