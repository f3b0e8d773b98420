"""Where a sweep's trials are kept: the address of an Optuna storage, and how it is opened."""

import threading
from pathlib import Path
from typing import Any

from optuna.exceptions import OptunaError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from clearprop.errors import ConfigError, FileError

EXAMPLE = "Expected an address such as postgresql://user@host/database or sqlite:///sweep.db."
KEPT_BY_YOU = (
    "Passwords are not kept in a sweep's folder: give the whole address with --storage, or let the driver find the "
    "password, as in PostgreSQL's file .pgpass."
)
SECRET = ("password", "passwd", "pwd", "secret", "token")  # what the name of a secret in a query says
PACKAGES = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}  # by module


def open_storage(address: str) -> RDBStorage:
    """An Optuna storage by its address.

    Raises
    ------
    ConfigError
        If it is no address, or its driver is not installed.
    FileError
        If it cannot be opened; a password in the address is not shown.
    """
    said = without_password(address)
    # another process may have the file for a moment; a server may have closed a connection that was idle
    options: dict[str, Any] = (
        {"connect_args": {"timeout": 60}} if is_sqlite(address) else {"pool_pre_ping": True}
    )
    for attempt in range(3):
        try:
            return RDBStorage(address, engine_kwargs=options)
        except ImportError as error:
            cause = error.__cause__ or error
            module = getattr(cause, "name", None) or "psycopg"
            raise ConfigError(
                f"sweep.storage {said}: its driver is missing ({cause}). "
                f"Install it: pip install '{PACKAGES.get(module, module)}'"
            ) from None
        except (SQLAlchemyError, OptunaError, RuntimeError) as error:
            reason = reason_of(error)
            if attempt < 2:  # two processes may have begun to lay out its tables
                threading.Event().wait(0.3)
    remedy = KEPT_BY_YOU if "password" in reason else EXAMPLE
    raise FileError(f"sweep.storage {said}: could not be opened ({reason}). {remedy}") from None


def reason_of(error: BaseException) -> str:
    """What the driver said, in a line."""
    if error.__cause__ is not None and isinstance(error, OptunaError):
        error = error.__cause__
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def address_of(file: Path) -> str:
    """A file's address as a storage."""
    return URL.create("sqlite", database=str(file.absolute())).render_as_string()


def anchored(address: str) -> str:
    """The same from any folder: a file by its absolute path.

    Raises
    ------
    ConfigError
        If it is no address, or of a database in memory, which nothing would be left of.
    """
    url = _url(address)
    if url.get_backend_name() != "sqlite" or str(url.database).startswith("file:"):
        return address
    if url.database in (None, "", ":memory:"):
        raise ConfigError(
            f"sweep.storage {address}: a database in memory is lost with its process. Expected a file, such as "
            "sqlite:///sweep.db; without a storage it is one in the sweep's folder."
        )
    return url.set(database=str(Path(str(url.database)).absolute())).render_as_string(hide_password=False)


def is_sqlite(address: str) -> bool:
    """Whether it is a file of SQLite, which needs no server."""
    return _url(address).get_backend_name() == "sqlite"


def without_password(address: str) -> str:
    """An address that may be shown and kept."""
    url = _url(address)
    secrets = [name for name in url.query if any(word in name.lower() for word in SECRET)]
    return url._replace(password=None).difference_update_query(secrets).render_as_string()


def lock_of(address: str) -> Path | None:
    """SQLite does not lock rows, so two processes could claim the same trial: the file by which they take turns."""
    file = _url(address).database if is_sqlite(address) else None
    return Path(f"{file}.lock") if file else None


def _url(address: str) -> URL:
    try:
        return make_url(address)
    except (ArgumentError, ValueError):
        got = "one that is not shown: it may hold a password" if set("@?") & set(address) else repr(address)
        raise ConfigError(f"sweep.storage: got {got}. {EXAMPLE}") from None
