"""A file of plain values and arrays, which is written whole or not at all and read without trust.

It is a zip archive without compression:

    model.json   {"format": "seqnets", "version": 1, "model": ...}
    *.npy        one array each, which model.json refers to by name

A value of a type that JSON lacks is an object of one key: {"tuple": [...]}, {"array": name},
{"dict": [keys, values]}, ...
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import reprlib
import secrets
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from .vocabulary import ragged

FORMAT, VERSION = "seqnets", 1
SAVED = "biufUMm"  # kinds of arrays: numbers, strings, dates
DESCRIPTION = "model.json"
Arrays = dict[str, np.ndarray]
Take = Callable[[str], np.ndarray]  # returns an array of the file by its name, once


# Values


def encode(value: Any, place: str, arrays: Arrays) -> Any:
    """Return the value as JSON; `place` names it in errors, and its array in the file."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value) is float and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple, set, frozenset):
        ordered = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        items = [encode(item, f"{place}[{i}]", arrays) for i, item in enumerate(ordered)]
        return items if type(value) is list else {type(value).__name__: items}
    if value is list:  # as an analyzer, for texts already split
        return {"type": "list"}
    if isinstance(value, dict):
        keys = [encode(key, f"{place}: the key {key!r}", arrays) for key in value]
        return {"dict": [keys, [encode(value[k], f"{place}.{k}", arrays) for k in value]]}
    # A long double (type "g") has another meaning on ARM than on x86, and NumPy would not notice.
    is_plain = type(value) in (np.ndarray, np.memmap) and value.dtype.kind in SAVED
    if is_plain and value.dtype.char != "g":
        name = f"{len(arrays)}-{re.sub('[^A-Za-z0-9_.]', '_', place)[-100:]}.npy"
        arrays[name] = np.asarray(value)  # no memory map
        if value.dtype.kind in "Mm":  # NumPy 2.0 leaves metadata in pickles of dates
            arrays[name] = arrays[name].view(value.dtype.str)
        return {"array": name}
    if type(value) is np.ndarray and value.dtype.kind == "O" and value.ndim == 1:
        return {"objects": encode(list(value), place, arrays)}
    kind = type(value).__name__
    raise TypeError(
        f"{place} can't be saved: it is not a plain value but a {kind}: {reprlib.repr(value)}"
    )


def decode(value: Any, take: Take) -> Any:
    """Return the value that `encode` was given."""
    if type(value) is list:
        return [decode(item, take) for item in value]
    if type(value) is not dict:
        return value
    if len(value) != 1:
        raise ValueError(
            f"{DESCRIPTION}: expected an object with one key, found {reprlib.repr(value)}"
        )
    [(kind, content)] = value.items()
    if kind == "array" and type(content) is str:
        return take(content)
    if kind == "type" and content == "list":
        return list
    if kind == "float" and content in ("nan", "inf", "-inf"):
        return float(content)
    if kind in DECODERS and type(content) is list:
        return DECODERS[kind](decode(content, take))
    raise ValueError(f"{DESCRIPTION}: unexpected {reprlib.repr(value)}")


DECODERS: dict[str, Callable[[list], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": lambda keys_and_values: to_dict(list(zip(*keys_and_values, strict=True))),
    "objects": ragged,
}


def to_dict(pairs: list[tuple[Any, Any]]) -> dict:
    """Make a dict of these pairs; no key may occur twice."""
    keys = [key for key, _ in pairs]
    if any(type(key) is int and abs(key) > sys.maxsize for key in keys):
        raise ValueError(f"{DESCRIPTION}: a key is too large")  # such keys may share one hash
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"{DESCRIPTION}: a key occurs twice among {reprlib.repr(keys)}")
    return found


def encode_all(values: dict[str, Any], place: str, arrays: Arrays) -> dict[str, Any]:
    return {name: encode(value, f"{place}.{name}", arrays) for name, value in values.items()}


def decode_all(values: dict[str, Any], take: Take) -> dict[str, Any]:
    return {name: decode(value, take) for name, value in values.items()}


# Files


def write_file(path: str | os.PathLike, model: Any, arrays: Arrays) -> None:
    """Write what `encode` has made; replace the file at `path`."""
    description = {"format": FORMAT, "version": VERSION, "model": model}
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(DESCRIPTION), json.dumps(description, allow_nan=False))
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)


def read_file(path: str | os.PathLike, build: Callable[[Any, Take], Any]) -> Any:
    """Return what `build` makes of the file's model; it must take every array."""
    check_regular(Path(path))
    with open(os.fspath(path), "rb") as file:
        try:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is not a complete zip file, as seqnets.save writes it")
            with zipfile.ZipFile(file) as archive:
                return read_archive(archive, os.fstat(file.fileno()).st_size, build)
        except Exception as error:  # from zipfile, json, numpy or a check: the file is wrong
            outside = getattr(error, "errno", None) == errno.EINVAL  # no place in a file
            if isinstance(error, MemoryError | OSError) and not outside:
                raise  # the file may be right
            reason = str(error) or type(error).__name__
            raise ValueError(
                f"{os.fspath(path)!r} is not a valid seqnets file: {reason}"
            ) from error


def read_archive(archive: zipfile.ZipFile, size: int, build: Callable[[Any, Take], Any]) -> Any:
    """Return what `build` makes of an archive of `size` bytes; read no entry twice."""
    entries = {info.filename: info for info in archive.infolist()}
    if len(entries) < len(archive.infolist()):
        raise ValueError("two entries have the same name")
    if any(info.compress_type or info.compress_size != info.file_size for info in entries.values()):
        raise ValueError("an entry is compressed")
    if sum(info.file_size for info in entries.values()) > size:
        raise ValueError("its entries claim to be larger than the file")

    def entry(name: str) -> zipfile.ZipInfo:
        if name not in entries:
            raise ValueError(f"the entry {name!r} is missing, or used twice")
        return entries.pop(name)

    description = json.loads(archive.read(entry(DESCRIPTION)), object_pairs_hook=to_dict)
    if type(description) is not dict or description.get("format") != FORMAT:
        raise ValueError(f"{DESCRIPTION} does not say that it is one")
    version = description.get("version")
    if type(version) is int and version > VERSION:
        raise ValueError(
            f"its format {version} is that of a newer seqnets; this one reads {VERSION}"
        )
    if version != VERSION:
        raise ValueError(f"{DESCRIPTION}: version is {reprlib.repr(version)}")
    model = build(description.get("model"), lambda name: read_array(archive, entry(name)))
    if entries:
        raise ValueError(f"the entry {min(entries)!r} is not part of the model")
    return model


def read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """Return the array of an entry; its header must agree with the entry's size."""
    with archive.open(info) as entry:
        if np.lib.format.read_magic(entry) != (1, 0):
            raise ValueError(f"{info.filename} is not of version 1.0 of NumPy's format")
        try:
            shape, _, dtype = np.lib.format.read_array_header_1_0(entry)
        except MemoryError as error:  # what Python's parser says of deep nesting
            raise ValueError(f"{info.filename} has a header that can't be read") from error
        expected = entry.tell() + math.prod(shape) * dtype.itemsize
        right = dtype.kind in SAVED and dtype.itemsize > 0 and min(shape, default=0) >= 0
        if not right or expected != info.file_size:
            raise ValueError(f"{info.filename} has {info.file_size} bytes, not {dtype} {shape}")
    with archive.open(info) as entry:
        array = np.lib.format.read_array(entry, allow_pickle=False)
    array = array.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind in LARGEST and array.nbytes:
        unit, largest = LARGEST[dtype.kind]
        if array.reshape(-1).view(unit).max() > largest:
            raise ValueError(f"{info.filename} holds a value that is not {dtype}")
    return array


LARGEST: dict[str, tuple[type, int]] = {"b": (np.uint8, 1), "U": (np.uint32, sys.maxunicode)}


def check_writable(path: str | os.PathLike) -> None:
    """Raise the OSError that writing to `path` would raise, and leave everything as it is."""
    with tempfile.TemporaryFile(dir=resolve_regular_file(path).parent):
        pass


def check_regular(path: Path) -> None:
    """Refuse a device or a pipe: reading or writing it might never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "Not a regular file", str(path))


def resolve_regular_file(path: str | os.PathLike) -> Path:
    """Where the file is or will be, after following symbolic links."""
    target = Path(os.path.realpath(path))
    if not os.path.basename(path):  # else "models/", which names no file, would become "models"
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    check_regular(target)  # a device such as /dev/null would be replaced by a file
    if target.exists():
        target.open("r+b").close()  # raises without write permission, which os.replace ignores
    return target


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Yield a file to write to; unless there is an error, it replaces `path` at the end."""
    target = resolve_regular_file(path)
    temporary = target.with_name(f".seqnets-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            if target.exists():  # a private file stays private
                shutil.copymode(target, temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = os.fspath(path)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
