"""URL of a sweep's database: its driver, and its password, which no output contains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

MASK = "***"
DRIVERS = {"postgresql": "psycopg", "postgres": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
EXTRAS = {"psycopg": "postgres", "pymysql": "mysql"}  # extra of seqtool by driver
_DIALECTS = {"postgres": "postgresql"}  # names that SQLAlchemy does not know
_SCHEME = re.compile(r"\s*(\w+)(\+\w+)?://")
_SECRET_KEY = re.compile(
    r"([?&;\s](?:[^=&;\s]*(?:pass|pwd|secret|token)[^=&;\s]*)=)([^&;\s]*)", re.IGNORECASE
)
_SHORTEST_SECRET = 4  # characters; shorter ones are masked only where they stand in a URL


def with_driver(url: str) -> str:
    """Return the URL with the driver that an extra of seqtool installs, if it names none."""
    match = _SCHEME.match(url)
    if match is None or match[2] or match[1] not in DRIVERS:
        return url
    return f"{_DIALECTS.get(match[1], match[1])}+{DRIVERS[match[1]]}://{url[match.end() :]}"


def missing_driver_hint(url: str) -> str:
    """Return the command that installs the driver of a URL; empty if no extra of seqtool has it."""
    match = _SCHEME.match(with_driver(url))
    driver = (match[2] or "").removeprefix("+") if match else ""
    return f"pip install 'seqtool[{EXTRAS[driver]}]'" if driver in EXTRAS else ""


def without_password(url: str) -> str:
    """Return the URL with asterisks in place of its passwords.

    A password may contain `@`, `:` and `/` that are not encoded. Everything between the first colon after the
    scheme and the last `@` is therefore masked.
    """
    scheme, separator, rest = url.partition("://")
    name, at, place = rest.rpartition("@")
    if separator and at and ":" in name:
        rest = f"{name.partition(':')[0]}:{MASK}@{place}"
    return _SECRET_KEY.sub(rf"\1{MASK}", f"{scheme}{separator}{rest}")


def without_secrets(text: str, url: str) -> str:
    """Return a message of a database driver with asterisks in place of the URL's passwords."""
    text = text.replace(url, without_password(url))
    for secret in sorted(set(_secrets(url)), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return text


def _secrets(url: str) -> Iterator[str]:
    """Yield the passwords of a URL and their parts, as they are written and decoded."""
    name, _, _ = url.partition("://")[2].rpartition("@")
    found = [name.partition(":")[2], *(match[2] for match in _SECRET_KEY.finditer(url))]
    for secret in found:
        # SQLAlchemy ends a password at its first @, and takes what follows for the name of the host.
        for part in (secret, *secret.split("@")):
            yield from (part, unquote(part), unquote_plus(part))
