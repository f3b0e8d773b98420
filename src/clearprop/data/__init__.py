"""Data: readers, the known data sets and their files, splits and scaling.

This room reads the core, and is never imported by it.
"""

from clearprop.data.archive import Member
from clearprop.data.cifar import read_cifar
from clearprop.data.convert import Converted, convert_csv
from clearprop.data.csv import Table, read_csv
from clearprop.data.download import fetch
from clearprop.data.idx import read_idx
from clearprop.data.npy import read_npy, read_npz
from clearprop.data.ondisk import DiskPair, DiskSet, ScaledRows, fit_scaling, open_folder
from clearprop.data.registry import SOURCES, FileStatus, Source, SourceFile, data_folder, locate, verify
from clearprop.data.sequences import pad_sequences, windows
from clearprop.data.sets import Dataset, Pair, load
from clearprop.data.sine import sine_waves
from clearprop.data.splits import ChannelStandardizer, MinMax, Standardizer, split
from clearprop.data.userfile import load_file, read_features

__all__ = [
    "SOURCES",
    "ChannelStandardizer",
    "Converted",
    "Dataset",
    "DiskPair",
    "DiskSet",
    "FileStatus",
    "Member",
    "MinMax",
    "Pair",
    "ScaledRows",
    "Source",
    "SourceFile",
    "Standardizer",
    "Table",
    "convert_csv",
    "data_folder",
    "fetch",
    "fit_scaling",
    "load",
    "load_file",
    "locate",
    "open_folder",
    "pad_sequences",
    "read_cifar",
    "read_csv",
    "read_features",
    "read_idx",
    "read_npy",
    "read_npz",
    "sine_waves",
    "split",
    "verify",
    "windows",
]
