"""URLs of databases: no output contains a password, and a missing driver is named with its installation."""

from __future__ import annotations

import string
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seqtool.errors import SeqtoolError
from seqtool.sweep.database import open_storage, study_errors
from seqtool.sweep.database_url import missing_driver_hint, with_driver, without_password, without_secrets

optuna = pytest.importorskip("optuna")
# A password that is also part of a host or a driver's message cannot be told apart, so these are marked.
PASSWORDS = st.text(string.ascii_letters + string.digits + "@:/?#%&=+ ;'\"ä", min_size=1, max_size=12).map(
    lambda text: f"Zq{text}qZ"
)
WRITTEN = st.sampled_from([str, quote, quote_plus, lambda text: quote(text, safe="")])
SCHEMES = st.sampled_from(["postgresql", "postgresql+psycopg", "mysql+pymysql", "oracle"])


@given(SCHEMES, PASSWORDS, WRITTEN, st.sampled_from(["", ":5432"]))
@example("postgresql", "Zqp@ss:w/ord?#qZ", str, "")
def test_password_before_the_host_is_masked(
    scheme: str, password: str, written: type[str], port: str
) -> None:
    secret = written(password)
    shown = without_password(f"{scheme}://me:{secret}@host{port}/db")
    assert shown == f"{scheme}://me:***@host{port}/db"


@given(PASSWORDS, st.sampled_from(["password", "PASSWORD", "passwd", "pwd", "sslpassword", "auth_token"]))
def test_password_in_the_query_is_masked(password: str, key: str) -> None:
    secret = quote(password, safe="")
    shown = without_password(f"postgresql://host/db?application_name=x&{key}={secret}&connect_timeout=3")
    assert shown == f"postgresql://host/db?application_name=x&{key}=***&connect_timeout=3"
    assert without_password(f"host=db {key}={secret} user=me") == f"host=db {key}=*** user=me"


@given(PASSWORDS, WRITTEN, st.sampled_from(["://me:{}@host/db", "://host/db?password={}"]))
def test_message_of_a_driver_contains_no_part_of_the_password(
    password: str, written: type[str], form: str
) -> None:
    secret = written(password) if "?" not in form else quote(password, safe="")
    url = "postgresql" + form.format(secret)
    _, _, tail = password.rpartition("@")  # SQLAlchemy takes this for the host
    for quoted in (url, secret, password, *([tail] if len(tail) >= 4 else [])):
        shown = without_secrets(f"cannot connect to {quoted!s}: refused", url)
        assert secret not in shown and password not in shown
        assert shown.startswith("cannot connect to ") and shown.endswith(": refused")


@pytest.mark.parametrize(
    "url",
    ["sqlite:////tmp/x/sweep.db", "postgresql://me@host:5432/db", "postgresql://host/db?options=a", "x"],
)
def test_url_without_a_password_is_unchanged(url: str) -> None:
    assert without_password(url) == url and without_secrets(f"wrong: {url}", url) == f"wrong: {url}"


def test_short_password_does_not_spoil_a_message() -> None:
    url = "postgresql://me:a@host/db"
    assert without_secrets(f"cannot parse {url}", url) == "cannot parse postgresql://me:***@host/db"


@pytest.mark.parametrize("url", ["postgresql://me:secret7@127.0.0.1:1/db", "postgresql://me:secret7@[/db"])
def test_error_of_the_database_shows_no_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqtool.sweep.database._OPEN_DELAY", 0.0)
    with pytest.raises(SeqtoolError) as error:
        open_storage(url, 1)
    assert "secret7" not in str(error.value)
    with pytest.raises(SeqtoolError) as error, study_errors(url):
        raise optuna.exceptions.StorageInternalError(f"no answer from {url}")
    assert "secret7" not in str(error.value) and "***" in str(error.value)


# --- drivers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://h/d", "postgresql+psycopg://h/d"),
        ("postgres://h/d", "postgresql+psycopg://h/d"),
        ("mysql://h/d", "mysql+pymysql://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d"),
        ("sqlite:///x.db", "sqlite:///x.db"),
    ],
)
def test_url_without_a_driver_gets_the_one_of_the_extra(url: str, expected: str) -> None:
    assert with_driver(url) == with_driver(with_driver(url)) == expected


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("postgresql://h/d", "psycopg", "postgres"), ("mysql://h/d", "pymysql", "mysql")],
)
def test_missing_driver_is_named_with_its_installation(
    url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seqtool.sweep.database._OPEN_DELAY", 0.0)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(SeqtoolError) as error:
        open_storage(url, 1)
    (problem,) = error.value.problems
    assert problem.message == "the driver of this database is not installed"
    assert problem.hint == missing_driver_hint(url) == f"pip install 'seqtool[{extra}]'"
