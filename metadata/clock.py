"""The station's clock: synchronised or not, plausible or not, and a time that locks may trust.

A dead battery puts a clock in 1970, a typing error in 2120. Footage is kept all the same, but a
lock date must not be computed from such a time: it is clamped to what the register and the
software's own release date vouch for (design, section 5).
"""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time to this software."""

SLACK = timedelta(days=1)
IDLE = timedelta(days=400)
"""A station may rest this long before an unsynchronised clock that runs ahead is doubted."""

FURTHEST = timedelta(days=3653)
"""Not even a time service is believed that shows ten years more than anything known: it can be wrong,
or forged, and a lock cannot be taken back."""

_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 512  # generous: the kernel's struct timex has 208 bytes on 64-bit Linux
_STATUS_OFFSET = 40  # modes, offset, freq, maxerror, esterror come first (int padded, four longs)


def sensible(at: datetime) -> datetime:
    """Return a time that somebody wrote, if its year is from 1900 to 2199; ValueError otherwise.

    No footage is older, and a time zone's offset must not carry a time out of what a computer can hold.
    """
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"the year {at.year} is not one between {_FIRST_YEAR} and {_LAST_YEAR}")
    return at


def now_utc() -> datetime:
    """Return the system's time, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the station's clock said and how far it is to be believed."""

    at: datetime
    synchronised: bool | None
    plausible: bool
    trusted: datetime
    """``at`` clamped to what is vouched for: use it for lock dates, never as evidence of a time."""

    def to_json(self) -> dict[str, object]:
        """Return the facts for manifests and inventories."""
        return {
            "at": self.at,
            "synchronised": "unknown" if self.synchronised is None else self.synchronised,
            "plausible": self.plausible,
        }


class StationClock:
    """Reads the clock and weighs it against ``vouched``, the last time the register believed."""

    def __init__(
        self,
        now: Callable[[], datetime] = now_utc,
        synchronised: Callable[[], bool | None] | None = None,
    ) -> None:
        self._now = now
        self._synchronised = synchronised or kernel_synchronised

    def now(self) -> datetime:
        """Return the clock's time as it stands."""
        return self._now()

    def read(self, vouched: datetime | None) -> ClockReading:
        """Read the clock; ``vouched`` is the latest time the register holds as plausible."""
        at = self._now()
        synchronised = self._synchronised()
        earliest = max(RELEASED, vouched or RELEASED)
        latest = earliest + IDLE
        believed = earliest + (FURTHEST if synchronised is True else IDLE)
        plausible = earliest - SLACK <= at <= believed
        trusted = at if plausible else min(max(at, earliest), latest)
        return ClockReading(at=at, synchronised=synchronised, plausible=plausible, trusted=trusted)


def kernel_synchronised() -> bool | None:
    """Ask the kernel whether a time service disciplines the clock (adjtimex(2)); None: not known."""
    if os.name != "posix":
        return None
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: read only
    if adjtimex(state) < 0:
        return None
    status = ctypes.c_int.from_buffer(state, _STATUS_OFFSET).value
    return not status & _STA_UNSYNC
