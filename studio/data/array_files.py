"""Arrays of numbers in numpy's files, read only where the file holds as much as its header claims.

numpy itself takes the memory that a header asks for before it looks whether the numbers are there.
"""

import math
import zipfile
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 8 * 2**30
_DIMENSIONS = 1


def read_array(file: BinaryIO, size: int) -> NDArray[Any]:
    """Read one array of numbers or of text from a .npy file of `size` bytes. Raises ValueError for anything else."""
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError("an array of a version that is not written here")
    shape, _, kind = read_header[version](file)
    count = math.prod(shape)
    if kind.hasobject or len(shape) > _DIMENSIONS or min(shape, default=0) < 0:
        raise ValueError("not a row of numbers")
    if count * kind.itemsize != size - file.tell():
        raise ValueError("the file does not hold what its header says")
    return np.frombuffer(file.read(), dtype=kind, count=count).reshape(shape)


def read_arrays(file: BinaryIO, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Read these arrays from a .npz file as `numpy.savez` writes it.

    Raises ValueError, LookupError, EOFError or zipfile.BadZipFile for one that is damaged.
    """
    found: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(file) as archive:
        for name in names:
            entry = archive.getinfo(f"{name}.npy")
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > MOST_BYTES:
                raise ValueError("the file is packed, which is not done here")
            with archive.open(entry) as member:
                found[name] = read_array(member, entry.file_size)  # type: ignore[arg-type]  # it reads and tells
    return found
