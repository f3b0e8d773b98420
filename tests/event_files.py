"""TensorBoard's event files, read back by nobody's code but this: records with their checksums, and what is void.

The messages themselves are read by protobuf.
"""

import struct
from pathlib import Path

import pytest

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC-32, bit by bit (RFC 3720, B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(blob: bytes):
    """The records of a TFRecord file: length, its checksum, data, their checksum."""
    at = 0
    while at < len(blob):
        head = blob[at : at + 8]
        (length,) = struct.unpack("<Q", head)
        data = blob[at + 12 : at + 12 + length]
        sums = struct.unpack("<I", blob[at + 8 : at + 12]) + struct.unpack(
            "<I", blob[at + 12 + length : at + 16 + length]
        )
        if sums != (masked(head), masked(data)):
            raise ValueError(f"byte {at}: wrong checksum")
        yield data
        at += 16 + length


def read_events(folder: Path):
    """A folder's events in their order, those left out that a later start made void."""
    kept = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        events = [event_pb2.Event.FromString(data) for data in records(path.read_bytes())]
        assert events[0].file_version == "brain.Event:2"
        for event in events[1:]:
            if event.HasField("session_log") and event.session_log.status == event.session_log.START:
                kept = [old for old in kept if old.step < event.step]
            else:
                kept.append(event)
    return kept


def values(folder: Path):
    """Each tag's (step, summary value) pairs."""
    found = {}
    for event in read_events(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value))
    return found


def curves(folder: Path):
    """Each scalar's steps and values."""
    return {
        tag: [(step, value.simple_value) for step, value in pairs]
        for tag, pairs in values(folder).items()
        if pairs[0][1].HasField("simple_value")
    }
