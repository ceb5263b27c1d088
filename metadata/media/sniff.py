"""Recognition by content: the first bytes decide, never the name."""

from collections.abc import Callable
from dataclasses import dataclass

from metadata.media import audio, boxes, matroska, packets, riff, stills
from metadata.media.condition import Structure, unknown
from metadata.media.window import Window

DEFAULT_TYPE = "application/octet-stream"
_HEAD = 4096
_BOX_TYPES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof"})
_3GP = (b"3gp", b"3g2", b"3ge", b"3gr", b"3gs")
_HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})
_AVIF = frozenset({b"avif", b"avis"})
_CONTROL = frozenset(range(32)) - set(b"\t\n\r\f\x1b")


def _unchecked(_window: Window) -> Structure:
    return unknown("the structure of this format is not checked")


@dataclass(frozen=True, slots=True)
class Kind:
    """A recognised format: short name, MIME type, the one ffprobe demuxer that may read it, and its walk.

    `demuxer` None means that ffprobe is not asked.
    """

    name: str
    media_type: str
    demuxer: str | None
    walk: Callable[[Window], Structure]


MP4 = Kind("mp4", "video/mp4", "mov", boxes.walk)
M4A = Kind("m4a", "audio/mp4", "mov", boxes.walk)
MOV = Kind("mov", "video/quicktime", "mov", boxes.walk)
GP3 = Kind("3gp", "video/3gpp", "mov", boxes.walk)
HEIC = Kind("heic", "image/heic", None, boxes.walk)
AVIF = Kind("avif", "image/avif", None, boxes.walk)
AVI = Kind("avi", "video/x-msvideo", "avi", riff.walk)
WAV = Kind("wav", "audio/wav", "wav", riff.walk)
MPEGTS = Kind("mpegts", "video/mp2t", "mpegts", packets.walk_ts)
MPEGPS = Kind("mpeg", "video/mpeg", "mpeg", packets.walk_ps)
FLV = Kind("flv", "video/x-flv", "flv", packets.walk_flv)
MKV = Kind("matroska", "video/x-matroska", "matroska", matroska.walk)
WEBM = Kind("webm", "video/webm", "matroska", matroska.walk)
MP3 = Kind("mp3", "audio/mpeg", "mp3", audio.walk_mp3)
AAC = Kind("aac", "audio/aac", "aac", audio.walk_adts)
JPEG = Kind("jpeg", "image/jpeg", "jpeg_pipe", stills.walk_jpeg)
PNG = Kind("png", "image/png", "png_pipe", stills.walk_png)
AMR = Kind("amr", "audio/amr", "amr", _unchecked)
OGG = Kind("ogg", "application/ogg", "ogg", _unchecked)
FLAC = Kind("flac", "audio/flac", "flac", _unchecked)
ASF = Kind("asf", "video/x-ms-asf", "asf", _unchecked)

_PREFIXES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"FLV\x01", FLV),
    (b"#!AMR", AMR),
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ASF),
    (b"\x00\x00\x01\xba", MPEGPS),
)


def sniff(window: Window) -> Kind | None:
    """Return the format that the first bytes show, None when no known one does."""
    head = window.at(0, _HEAD)
    for prefix, kind in _PREFIXES:
        if head.startswith(prefix):
            return kind
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return {b"AVI ": AVI, b"WAVE": WAV}.get(head[8:12])
    if head[4:8] in _BOX_TYPES:
        return _brand(head)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MKV
    if packets.stride_of(head) is not None:
        return MPEGTS
    return _framed(window, head)


def _brand(head: bytes) -> Kind:
    """Return the member of the ISO base media family (14496-12 4.3; QuickTime files may lack ``ftyp``)."""
    if head[4:8] != b"ftyp":
        return MP4 if head[4:8] in (b"styp", b"moof") else MOV
    brand = head[8:12]
    if brand == b"qt  ":
        return MOV
    if brand[:3] in _3GP:
        return GP3
    if brand in (b"M4A ", b"M4B "):
        return M4A
    return HEIC if brand in _HEIF else AVIF if brand in _AVIF else MP4


def _framed(window: Window, head: bytes) -> Kind | None:
    """Return MP3 or AAC: a chain of frames at the start, or after a tag."""
    tag = audio.id3_length(head)
    data = window.at(tag, _HEAD) if tag else head
    if audio.chained(data, 0, audio.adts_frame):
        return AAC
    if tag or audio.chained(data, 0, audio.mpeg_frame):
        return MP3
    return None


def looks_like_text(window: Window) -> bool:
    """Return whether the file starts like text in ASCII, UTF-8, GB 18030 or UTF-16: side files, not media."""
    head = window.at(0, _HEAD)
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or (bool(head) and _CONTROL.isdisjoint(head))
