"""Two recorders: one whose names tell officer and time, one whose names are meant to do harm."""

OFFICER = "012345"
FIRST, SECOND, THIRD = (f"苏吴城管罚字〔2026〕第{number}号" for number in (25, 26, 27))
CLIPS = {
    "morning": f"DCIM/ABC1234_{OFFICER}_20260301093000_0001.MP4",
    "eleven": f"DCIM/ABC1234_{OFFICER}_20260301110000_0002_IMP.MP4",
    "afternoon": f"DCIM/ABC1234_{OFFICER}_20260301150000_0003.JPG",
}
HOSTILE = {
    "con: <x>|?.mp4": b"reserved signs",
    "two\nlines.txt": b"a line break",
    "-rf": b"looks like an option",
    "a/same.txt": b"one",
    "b/same.txt": b"another",
    "执法 记录.txt": b"Chinese and a space",
    ".hidden": b"a dot in front",
    "x": b"its manifest goes by the name of the next one",
    "x.manifest.json": b"a clip that is called like a manifest",
}
