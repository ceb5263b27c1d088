"""Standard output that says what became of it when it cannot be written."""

import io
import sys

from config.errors import OutputLostError


class Output(io.TextIOWrapper):
    """Standard output whose failures have a name; a reader that has gone is no failure."""

    def write(self, text: str, /) -> int:
        """Write. Raises OutputLostError."""
        try:
            return super().write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLostError(problem=error.strerror) from error

    def flush(self) -> None:
        """Flush. Raises OutputLostError."""
        try:
            super().flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLostError(problem=error.strerror) from error


def watch() -> None:
    """Have standard output tell when what is said there gets lost."""
    plain = sys.stdout
    if isinstance(plain, io.TextIOWrapper):
        sys.stdout = Output(
            plain.buffer, encoding=plain.encoding, errors=plain.errors, line_buffering=plain.line_buffering
        )
