"""The memory of a process that trains on a CPU: what a training step frees, the next one takes again."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # names and numbers of glibc's malloc.h
NEVER = -1


def keep_freed_memory() -> bool:
    """Let the allocator of this process keep the memory that is freed, instead of giving it back to the system.

    Tensors of many megabytes are otherwise mapped anew, page by page, in each step, which costs up to half of a
    training step. The process holds on to its peak. For Linux with glibc; elsewhere nothing happens.

    Returns
    -------
    bool
        Whether the allocator took the setting.

    Examples
    --------
    >>> ict.keep_freed_memory() in (True, False)
    True
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    return all(mallopt(setting, value) == 1 for setting, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER)))
