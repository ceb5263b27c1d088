import pytest

from config.masking import holds_secret, mask, printable


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql+psycopg://clerk:pw@host/db", "postgresql+psycopg://clerk:***@host/db"),
        ("postgresql://:pw@host/db", "postgresql://:***@host/db"),
        ("postgresql://u:p/w@host/db", "postgresql://u:***@host/db"),
        ("postgresql://u:p@w@host/db", "postgresql://u:***@host/db"),
        ("could not reach HTTPS://u:pw@host now", "could not reach HTTPS://u:***@host now"),
        ("postgresql://host/db?user=u&password=pw&x=1", "postgresql://host/db?user=u&password=***&x=1"),
        ("s3://host/bucket?secret_access_key=pw", "s3://host/bucket?secret_access_key=***"),
        ("https://tsa.example/?access_token=pw", "https://tsa.example/?access_token=***"),
    ],
)
def test_a_password_in_a_url_is_masked(text: str, masked: str) -> None:
    assert holds_secret(text)
    assert mask(text) == masked
    assert not holds_secret(masked)


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/a/register.db",
        "postgresql://clerk@host:5432/db?sslmode=verify-full&sslkey=/k.pem",
        "https://tsa.example:8443/tsr",
        "file:///srv/vault",
        "clerk:pw@host",
        "",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert not holds_secret(text)
    assert mask(text) == text


def test_printable_escapes_and_bounds() -> None:
    assert printable("执法 a.mp4", limit=20) == "执法 a.mp4"
    assert printable("a\x07\u2066b", limit=20) == "a\\x07\\u2066b"
    assert printable("x" * 21, limit=20) == "x" * 19 + "…"
