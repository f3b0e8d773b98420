"""Fetching, checking and refusing files, against a server on this machine's own loopback."""

import errno
import hashlib
import io
import lzma
import os
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearprop.cli.data import app
from clearprop.data import SOURCES, Member, Source, SourceFile, fetch, locate, verify
from clearprop.errors import ConfigError, DataError, FileError

CONTENT = bytes(range(256)) * 300
SHA = hashlib.sha256(CONTENT).hexdigest()
ALTERED = CONTENT[:-1] + b"!"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        what = self.path.split("/")[1]
        self.server.asked.append(what)  # type: ignore[attr-defined]
        if what == "error":
            self.send_error(503)
            return
        body = {
            "good": CONTENT, "truncated": CONTENT[:1000], "cut": CONTENT[:1000], "altered": ALTERED,
            "longer": CONTENT * 3, "empty": b"", "archive": getattr(self.server, "archive", b""),
        }[what]  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) if what == "cut" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def asked(server: ThreadingHTTPServer) -> list[str]:
    server.asked = []  # type: ignore[attr-defined]
    return server.asked  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ThreadingHTTPServer, asked: list[str]
) -> Path:
    """Where the file belongs; `offer` puts it into the registry."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CLEARPROP_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "toy" / "toy.bin"


def offer(monkeypatch: pytest.MonkeyPatch, server: ThreadingHTTPServer, *kinds: str) -> None:
    base = f"http://127.0.0.1:{server.server_port}"
    file = SourceFile("toy/toy.bin", len(CONTENT), SHA, tuple(f"{base}/{kind}/toy.bin" for kind in kinds))
    monkeypatch.setitem(SOURCES, "toy", Source("a toy", "none", "nobody", (file,)))


@pytest.mark.parametrize("progress", [True, False])
def test_a_good_file(
    place: Path,
    server: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    progress: bool,
) -> None:
    offer(monkeypatch, server, "good")
    assert fetch("toy", progress=progress) == [place]
    assert place.read_bytes() == CONTENT
    assert os.listdir(place.parent) == ["toy.bin"]
    shown = capsys.readouterr().err
    assert ("toy.bin" in shown and "76.8/76.8 kB" in shown) if progress else shown == ""
    assert [status.state for status in verify("toy")] == ["good"]
    assert locate("toy") == [place]


def test_a_file_in_place_is_not_fetched_again(
    place: Path, server: ThreadingHTTPServer, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "good")
    fetch("toy", progress=False)
    fetch("toy", progress=False)
    assert asked == ["good"]


@pytest.mark.parametrize(
    ("kind", "got"),
    [
        ("truncated", CONTENT[:1000]),
        ("altered", ALTERED),
        ("longer", CONTENT * 3),
        ("empty", b""),
    ],
)
def test_a_wrong_file_is_refused_with_both_hashes(
    place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, kind: str, got: bytes
) -> None:
    offer(monkeypatch, server, kind)
    sentence = (
        rf"toy\.bin could not be downloaded\. http://127\.0\.0\.1:\d+/{kind}/toy\.bin gave a truncated or altered "
        rf"file: expected 76,800 bytes with SHA-256 {SHA}, got {len(got):,} bytes with SHA-256 "
        rf"{hashlib.sha256(got).hexdigest()}; not kept\. Check the network and try again, or put the file into .*toy"
    )
    with pytest.raises(DataError, match=sentence):
        fetch("toy", progress=False)
    assert os.listdir(place.parent) == []


def test_a_connection_that_breaks_off(
    place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "cut")
    with pytest.raises(
        DataError, match=r"/cut/toy.bin broke off before the 76,800 bytes were there; not kept\."
    ):
        fetch("toy", progress=False)
    assert os.listdir(place.parent) == []


def test_a_wrong_download_leaves_what_is_there(
    place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "truncated")
    place.parent.mkdir(parents=True)
    place.write_bytes(ALTERED)
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch("toy", progress=False)
    assert place.read_bytes() == ALTERED
    place.write_bytes(CONTENT)
    assert fetch("toy", progress=False) == [place]
    assert place.read_bytes() == CONTENT


def test_an_altered_file_is_refused_and_then_replaced(
    place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "good")
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT[:100])
    short = hashlib.sha256(CONTENT[:100]).hexdigest()
    sentence = (
        rf"toy\.bin: the file is truncated or altered\. Expected 76,800 bytes with SHA-256 {SHA}, got 100 bytes with "
        rf"SHA-256 {short}\. Run `clearprop data fetch toy`, or let CLEARPROP_DATA name the folder that holds toy/toy"
    )
    with pytest.raises(DataError, match=sentence):
        locate("toy")
    assert fetch("toy", progress=False) == [place]
    assert locate("toy") == [place]


def test_mirrors_are_tried_in_turn(
    place: Path, server: ThreadingHTTPServer, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "error", "altered", "good")
    assert fetch("toy") == [place]
    assert asked == ["error", "altered", "good"]


def test_server_error(place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, server, "error")
    with pytest.raises(
        DataError, match=r"toy.bin could not be downloaded\. The server answered: 503 .*/error/toy.bin"
    ):
        fetch("toy", progress=False)


def test_offline(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = SourceFile("toy/toy.bin", len(CONTENT), SHA, ("http://127.0.0.1:1/toy.bin",))
    monkeypatch.setitem(SOURCES, "toy", Source("a toy", "none", "nobody", (file,)))
    with pytest.raises(
        DataError, match=r"127\.0\.0\.1:1/toy\.bin gave no answer \(ConnectionError\)\. Check the net"
    ):
        fetch("toy", progress=False)
    assert os.listdir(place.parent) == []


def test_a_folder_that_cannot_be_made(
    place: Path, tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "good")
    (tmp_path / "data").write_text("a file")
    with pytest.raises(FileError, match=r"the folder could not be made .* a part of this path is a file"):
        fetch("toy", progress=False)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_is_read_only(
    place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def read_only(path: Path, mode: str = "r", **settings: object) -> object:
        if "w" in mode:
            raise OSError(code, os.strerror(code))
        return open(path, mode)

    offer(monkeypatch, server, "good")
    monkeypatch.setattr(Path, "open", read_only)
    with pytest.raises(
        FileError, match=r"toy.bin: could not be written.* Choose a folder that you may write to"
    ):
        fetch("toy", progress=False)


def test_a_full_disk(place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from clearprop.data import download

    def full(sink: object, chunk: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    offer(monkeypatch, server, "good")
    monkeypatch.setattr(download._HashingSink, "write", full)
    with pytest.raises(
        FileError, match=r"toy.bin: could not be written, nothing is left of it \(No space left"
    ):
        fetch("toy", progress=False)
    assert os.listdir(place.parent) == []


def test_what_has_no_public_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARPROP_DATA", str(tmp_path))
    sentence = (
        r"no such file\. cmu-mnist has no public address: put train\.csv\.xz and test\.csv\.xz into .*hw3\."
    )
    for get in (fetch, locate):
        with pytest.raises(DataError, match=sentence):
            get("cmu-mnist")


def offer_archive(
    monkeypatch: pytest.MonkeyPatch, server: ThreadingHTTPServer, *contents: bytes
) -> dict[str, bytes]:
    """The archive toy/toy.tar as "good" of the server, which may lie unpacked in toy/unpacked, too."""
    members = {f"{k}.bin": content for k, content in enumerate(contents)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"unpacked/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    server.archive = packed.getvalue()  # type: ignore[attr-defined]
    file = SourceFile(
        "toy/toy.tar",
        len(packed.getvalue()),
        hashlib.sha256(packed.getvalue()).hexdigest(),
        (f"http://127.0.0.1:{server.server_port}/archive/toy.tar",),
        tuple(Member(name, len(data), hashlib.sha1(data).hexdigest()) for name, data in members.items()),
        ("toy/unpacked", "toy/toy.tar.xz"),
    )
    monkeypatch.setitem(SOURCES, "toy", Source("a toy", "none", "nobody", (file,)))
    return members


def test_an_archive(place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_archive(monkeypatch, server, b"one" * 1000, b"two")
    assert fetch("toy", progress=False) == [place.with_name("toy.tar")]
    (status,) = verify("toy")
    assert (status.state, status.size) == ("good", len(server.archive))  # type: ignore[attr-defined]


def test_an_archive_that_lies_unpacked_or_packed_anew_is_not_fetched(
    place: Path, server: ThreadingHTTPServer, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    members = offer_archive(monkeypatch, server, b"one" * 1000, b"two")
    place.parent.mkdir(parents=True)
    anew = place.with_name("toy.tar.xz")
    anew.write_bytes(lzma.compress(server.archive))  # type: ignore[attr-defined]
    assert fetch("toy", progress=False) == [anew]
    unpacked = place.with_name("unpacked")
    unpacked.mkdir()
    for name, content in members.items():
        (unpacked / name).write_bytes(content)
    assert fetch("toy", progress=False) == [unpacked]
    assert asked == []
    lines = CliRunner().invoke(app, ["list"]).output.splitlines()
    assert any("toy" in line and "in place" in line for line in lines)
    (status,) = verify("toy")
    assert (status.state, status.size) == ("good", 3003)
    shown = CliRunner().invoke(app, ["verify", "toy"]).output
    assert "toy/unpacked   3.0 kB   good" in shown


def test_a_damaged_archive_is_replaced_by_the_published_one(
    place: Path, server: ThreadingHTTPServer, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_archive(monkeypatch, server, b"one" * 1000, b"two")
    place.parent.mkdir(parents=True)
    unpacked = place.with_name("unpacked")
    unpacked.mkdir()
    (unpacked / "0.bin").write_bytes(b"on")
    with pytest.raises(
        DataError, match=r"unpacked, 0\.bin: the file is not as published\. Expected 3,000 .* Run"
    ):
        locate("toy")
    assert fetch("toy", progress=False) == [place.with_name("toy.tar")]
    assert asked == ["archive"]
    assert locate("toy") == [place.with_name("toy.tar")]  # the damaged folder is passed over from now on


def test_what_is_generated_needs_no_file(place: Path) -> None:
    assert (fetch("sine"), verify("sine"), locate("sine")) == ([], [], [])
    for command in ("fetch", "verify"):
        shown = CliRunner().invoke(app, [command, "sine"])
        assert (shown.exit_code, shown.output) == (0, f"sine: generated, there is nothing to {command}.\n")
    assert "sine" not in CliRunner().invoke(app, ["verify"]).output


def test_unknown_name() -> None:
    for get in (fetch, locate, verify):
        with pytest.raises(ConfigError, match=r"data: unknown data set 'mnits'\. Did you mean 'mnist'\?"):
            get("mnits")


# --- the command line ---


def test_command_fetch_and_verify(
    place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "good")
    before = CliRunner().invoke(app, ["verify", "toy"])
    assert isinstance(before.exception, DataError)
    assert "toy.bin: there is no such file. Run `clearprop data fetch toy`" in str(before.exception)
    fetched = CliRunner().invoke(app, ["fetch", "toy"])
    assert fetched.exit_code == 0, fetched.output
    assert str(place) in fetched.output
    assert "toy: in place. Licence: none. Cite nobody." in fetched.output
    after = CliRunner().invoke(app, ["verify", "toy"])
    assert after.exit_code == 0
    assert "toy/toy.bin" in after.output
    assert "good" in after.output


def test_command_verify_all_minds_altered_files_alone(
    place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "good")
    assert CliRunner().invoke(app, ["verify"]).exit_code == 0
    place.parent.mkdir(parents=True)
    place.write_bytes(ALTERED)
    result = CliRunner().invoke(app, ["verify"])
    assert isinstance(result.exception, DataError)
    assert SHA in str(result.exception)
    assert hashlib.sha256(ALTERED).hexdigest() in str(result.exception)


def test_command_list_is_legible_at_80_columns(
    place: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, server, "good")
    text = CliRunner().invoke(app, ["list"]).output
    lines = [line for line in text.splitlines() if "data folder" not in line]
    assert max(len(line) for line in lines) <= 80
    states = {line.split()[0]: line for line in lines if line.split()}
    for name in SOURCES:
        assert name in states
    assert "in the package" in states["iris"]
    assert "11.6 MB" in states["mnist"]
    assert "to fetch" in states["mnist"]
    assert "by hand" in states["cmu-mnist"]
    assert "170 MB" in states["cifar-10"]
    assert "2.8 GB" in states["higgs-full"]
    assert "generated" in states["sine"]
    fetch("toy", progress=False)
    after = CliRunner().invoke(app, ["list"]).output
    assert any("toy" in line and "in place" in line for line in after.splitlines())


def test_command_where(place: Path) -> None:
    assert CliRunner().invoke(app, ["where"]).output.strip() == str(place.parents[1])
