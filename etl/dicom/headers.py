"""Headers: the elements before the pixels of an open file.

Most files are written in one of a few ways. For those pydicom's reader of elements is used alone, which takes
half the time of ``dcmread``. That reads all others, and has the last word on what is broken.
"""

import struct
import zipfile
import zlib
from io import BytesIO
from typing import IO, Any, NamedTuple

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import data_element_generator, read_dataset

from etl.dicom.elements import Elements
from etl.dicom.judge import text_of

#: What pydicom and zipfile raise on a file that is broken, or is something else.
UNREADABLE = (
    InvalidDicomError,
    BytesLengthException,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
#: Bytes that are read at once: few headers are longer.
_START = 1 << 16
#: Bytes of the preamble, and what follows it: the length of the file meta information (PS3.10, 7.1).
_PREAMBLE = 128
_BEGIN = b"DICM\x02\x00\x00\x00UL\x04\x00"
_SYNTAX = 0x00020010
#: Float, double float and other pixels; what stands before them is the header.
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_IMPLICIT = "1.2.840.10008.1.2"
#: Not explicit little endian: big endian and deflated.
_OTHERWISE = (f"{_IMPLICIT}.2", f"{_IMPLICIT}.1.99")


class Header(NamedTuple):
    """A header, as far as it is decoded."""

    dataset: Dataset
    meta: Elements | None = None
    """The file meta information, where ``dataset`` does not hold it."""


def read_header(file: IO[bytes]) -> Header:
    """The header at the start of an open file. Raises one of UNREADABLE."""
    # pydicom asks for a few bytes at a time, which memory answers much faster than a file, let alone a zip.
    start = BytesIO(file.read(_START))
    whole = start.getbuffer().nbytes < _START
    try:
        header = _quickly(start) or Header(dcmread(_again(start), stop_before_pixels=True))
    except InvalidDicomError:
        raise
    except UNREADABLE:
        if whole:
            return Header(dcmread(_again(start), stop_before_pixels=True))
    else:
        # It stopped before the pixels: nothing of the header lies beyond the start.
        if whole or start.tell() < _START:
            return header
    file.seek(0)
    return Header(dcmread(file, stop_before_pixels=True))


def _again(start: BytesIO) -> BytesIO:
    start.seek(0)
    return start


def _quickly(start: BytesIO) -> Header | None:
    """The header of a file that is written in the usual way; None of another one."""
    start.seek(_PREAMBLE)
    if start.read(len(_BEGIN)) != _BEGIN:
        return None
    start.seek(_PREAMBLE + len(b"DICM"))
    meta = {
        int(each.tag): each for each in data_element_generator(start, False, True, stop_when=_behind_meta)
    }
    syntax = text_of(meta[_SYNTAX].value) if _SYNTAX in meta else ""
    if not syntax.startswith(_IMPLICIT) or syntax in _OTHERWISE:
        return None
    begin = start.tell()
    vr = start.read(6)[4:]
    start.seek(begin)
    if (vr.isalpha() and vr.isupper()) != (syntax != _IMPLICIT):
        return None
    return Header(read_dataset(start, syntax == _IMPLICIT, True, stop_when=_at_pixels), meta)


def _behind_meta(tag: Any, vr: str | None, length: int) -> bool:
    return int(tag) >> 16 != 2


def _at_pixels(tag: Any, vr: str | None, length: int) -> bool:
    return int(tag) in _PIXELS
