"""Data: readers, the known data sets and their files, splits and scaling.

This room reads the core, and is never imported by it.
"""

from clearprop.data.csv import Table, read_csv
from clearprop.data.download import fetch
from clearprop.data.idx import read_idx
from clearprop.data.npy import read_npy, read_npz
from clearprop.data.registry import SOURCES, FileStatus, Source, SourceFile, data_folder, locate, verify
from clearprop.data.sets import Dataset, Pair, load
from clearprop.data.splits import MinMax, Standardizer, split
from clearprop.data.userfile import load_file, read_features

__all__ = [
    "SOURCES",
    "Dataset",
    "FileStatus",
    "MinMax",
    "Pair",
    "Source",
    "SourceFile",
    "Standardizer",
    "Table",
    "data_folder",
    "fetch",
    "load",
    "load_file",
    "locate",
    "read_csv",
    "read_features",
    "read_idx",
    "read_npy",
    "read_npz",
    "split",
    "verify",
]
