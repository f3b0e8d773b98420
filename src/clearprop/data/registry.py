"""The data sets that clearprop knows: where each file comes from, its size, its SHA-256, its licence.

All of them lie in one folder, which CLEARPROP_DATA names. To add one, write its `Source` here and its loader
in sets.py.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clearprop.data.archive import Member, read_members
from clearprop.errors import DataError, FileError
from clearprop.names import unknown

FOLDER_VARIABLE = "CLEARPROP_DATA"


@dataclass(frozen=True)
class SourceFile:
    """A file as its authors published it."""

    path: str  # inside the data folder
    size: int  # bytes
    sha256: str
    urls: tuple[str, ...] = ()  # tried in turn; none: it has no public address
    members: tuple[Member, ...] = ()  # of an archive: what it is checked by, so that it may be packed anew
    others: tuple[str, ...] = ()  # where an archive may lie instead, unpacked or packed anew

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Source:
    """A data set: what it is, whose it is, and its files."""

    description: str
    licence: str
    citation: str
    files: tuple[SourceFile, ...]  # none: it is generated
    packaged: bool = False  # comes inside clearprop; `files` are the originals, which loading does not need
    instead: str = ""  # the data set to take where the files cannot be had


def _files(folder: str, bases: tuple[str, ...], files: dict[str, tuple[int, str]]) -> tuple[SourceFile, ...]:
    return tuple(
        SourceFile(f"{folder}/{name}", size, sha256, tuple(base + name for base in bases))
        for name, (size, sha256) in files.items()
    )


_MNIST = _files(
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train-labels-idx1-ubyte.gz": (
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-images-idx3-ubyte.gz": (
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    },
)

_FASHION = _files(
    "fashion-mnist",
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    {
        "train-images-idx3-ubyte.gz": (
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train-labels-idx1-ubyte.gz": (
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "t10k-images-idx3-ubyte.gz": (
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
)

_CMU = _files(
    "cmu-10701-hw3",
    (),
    {
        "train.csv.xz": (515_152, "c4b5b76a6dca1ca12a4bb9e78e91a6e1c3f6586f4245dfc901b1420370f1936d"),
        "test.csv.xz": (175_612, "57f76002fc85faf305d89e7cbf7609c5eed6f02790cc654858118ba45e5a5bca"),
    },
)

_CIFAR_10 = SourceFile(
    "cifar-10/cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    tuple(
        Member(name, 30_730_000, sha1)
        for name, sha1 in {
            "data_batch_1.bin": "aadd24acce27caa71bf4b10992e9e7b2d74c2540",
            "data_batch_2.bin": "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795",
            "data_batch_3.bin": "1dd00a74ab1d17a6e7d73e185b69dbf31242f295",
            "data_batch_4.bin": "aab85764eb3584312d3c7f65fd2fd016e36a258e",
            "data_batch_5.bin": "26e2849e66a845b7f1e4614ae70f4889ae604628",
            "test_batch.bin": "67eb016db431130d61cd03c7ad570b013799c88c",
        }.items()
    ),
    ("cifar-10/cifar-10-batches-bin", "cifar-10/cifar-10-binary.tar.xz"),
)

_HIGGS = _files(
    "higgs",
    (),
    {
        "HIGGS_subset_35298.csv.gz": (
            9_032_670,
            "77215eccb2230ef67d6526e7718c8c433c881f585b094f9db3c07b86a75f4e0b",
        ),
    },
)

_HIGGS_FULL = _files(
    "higgs",
    ("https://archive.ics.uci.edu/ml/machine-learning-databases/00280/",),
    {
        "HIGGS.csv.gz": (
            2_816_407_858,
            "ea302c18164d4e3d916a1e2e83a9a8d07069fa6ebc7771e4c0540d54e593b698",
        ),
    },
)

_UCI_IRIS = _files(
    "iris",
    ("https://archive.ics.uci.edu/ml/machine-learning-databases/iris/",),
    {"iris.data": (4_551, "6f608b71a7317216319b4d27b4d9bc84e6abd734eda7872b71a458569e2656c0")},
)

_CITE_MNIST = "Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998"
_CITE_HIGGS = (
    "P. Baldi, P. Sadowski, D. Whiteson: Searching for exotic particles in high-energy physics with deep "
    "learning, Nature Communications 5, 2014"
)

SOURCES: dict[str, Source] = {
    "iris": Source(
        "150 flowers, 3 species",
        "CC BY 4.0",
        "R. A. Fisher: The use of multiple measurements in taxonomic problems, Annals of Eugenics 7, 1936",
        _UCI_IRIS,
        packaged=True,
    ),
    "mnist": Source(
        "70,000 digits, 28×28",
        "cite",
        _CITE_MNIST,
        _MNIST,
    ),
    "mnist-3v9": Source("MNIST's threes and nines", "cite", _CITE_MNIST, _MNIST),
    "fashion-mnist": Source(
        "70,000 clothes, 28×28",
        "MIT",
        "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017",
        _FASHION,
    ),
    "cmu-mnist": Source(
        "CMU 10-701's 4,000 digits",
        "cite",
        _CITE_MNIST,
        _CMU,
    ),
    "cifar-10": Source(
        "60,000 photos, 32×32",
        "cite",
        "A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
        (_CIFAR_10,),
    ),
    "higgs": Source("35,298 collisions", "CC BY 4.0", _CITE_HIGGS, _HIGGS, instead="higgs-full"),
    "higgs-full": Source("11 million collisions", "CC BY 4.0", _CITE_HIGGS, _HIGGS_FULL),
    "sine": Source("10,000 sine waves", "", "", ()),
}


def source(name: str) -> Source:
    """The data set of this name.

    >>> source("iris").packaged
    True
    """
    if name not in SOURCES:
        raise unknown("data", "data set", name, SOURCES)
    return SOURCES[name]


def data_folder() -> Path:
    """The folder of the data files: what CLEARPROP_DATA names, or else the user's cache folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("clearprop"))


@dataclass(frozen=True)
class FileStatus:
    """What lies in the place of a file."""

    file: SourceFile
    path: Path
    state: Literal["good", "missing", "altered"]
    size: int = 0  # bytes found
    sha256: str = ""  # found
    reason: str = ""  # why an archive is "altered"

    @property
    def sentence(self) -> str:
        """The state in words, with sizes and hashes where they differ from what is expected."""
        if self.state == "good":
            return f"{self.path}: as published."
        if self.state == "missing":
            return f"{self.path}: there is no such file."
        if self.reason:
            return self.reason
        return (
            f"{self.path}: the file is truncated or altered. Expected {self.file.size:,} bytes with SHA-256 "
            f"{self.file.sha256}, got {self.size:,} bytes with SHA-256 {self.sha256}."
        )


def place(file: SourceFile) -> Path:
    """Where a file lies in the data folder, or belongs."""
    paths = [data_folder() / path for path in (file.path, *file.others)]
    return next((path for path in paths if path.exists()), paths[0])


def check_file(file: SourceFile) -> FileStatus:
    """Compare a file in the data folder with what was published: its size and its SHA-256.

    Of an archive its members are compared, however it is packed.
    """
    path = place(file)
    if file.members:
        return _check_archive(file, path)
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
    except (FileNotFoundError, NotADirectoryError):
        return FileStatus(file, path, "missing")
    except OSError as err:
        raise FileError(f"{path}: the file cannot be read ({err.strerror or err}).") from err
    return FileStatus(file, path, "good" if sha256 == file.sha256 else "altered", size, sha256)


def _check_archive(file: SourceFile, path: Path) -> FileStatus:
    if not path.exists():
        return FileStatus(file, path, "missing")
    try:
        unpacked = sum(len(content) for _, content in read_members(path, file.members))
    except DataError as err:
        return FileStatus(file, path, "altered", reason=str(err))
    return FileStatus(file, path, "good", unpacked if path.is_dir() else path.stat().st_size)


def verify(name: str) -> list[FileStatus]:
    """The state of each file of a data set.

    Examples
    --------
    >>> [status.state for status in verify("mnist")]  # doctest: +SKIP
    ['good', 'good', 'good', 'good']
    """
    return [check_file(file) for file in source(name).files]


def locate(name: str) -> list[Path]:
    """The paths of a data set's files, each of them checked.

    Raises
    ------
    DataError
        When a file is missing, truncated or altered, with what to do about it.
    """
    statuses = verify(name)
    for status in statuses:
        if status.state != "good":
            raise DataError(f"{status.sentence} {remedy(name)}")
    return [status.path for status in statuses]


def open_archive(name: str) -> Iterator[tuple[str, bytearray]]:
    """The name and content of each file in a data set's archive, checked on the way, so that it is read once.

    Raises
    ------
    DataError
        When the archive or a file in it is missing, truncated or altered, with what to do about it.
    """
    (file,) = source(name).files
    path = place(file)
    if not path.exists():
        raise DataError(f"{FileStatus(file, path, 'missing').sentence} {remedy(name)}")
    try:
        yield from read_members(path, file.members)
    except DataError as err:
        raise DataError(f"{err} {remedy(name)}") from err


def remedy(name: str) -> str:
    """How to get a data set's files."""
    files, instead = source(name).files, source(name).instead
    if all(file.urls for file in files):
        return (
            f"Run `clearprop data fetch {name}`, or let {FOLDER_VARIABLE} name the folder "
            f"that holds {files[0].path}."
        )
    folder = (data_folder() / files[0].path).parent
    names = " and ".join(file.name for file in files)
    by_hand = f"{name} has no public address: put {names} into {folder}"
    return f"{by_hand}, or take the data set {instead}." if instead else f"{by_hand}."
