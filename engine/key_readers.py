"""Owns who may read a key file: its user and root, and nobody else.

A service that systemd hands a key gets a file of root's, mode 0440, with an access control list that lets the service's
user alone read it; the group's bits are then the list's mask and no right of a group (acl(5)).
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from pathlib import Path

ROOT = 0
LIST_NAME = "system.posix_acl_access"
LIST_VERSION = struct.pack("<I", 2)  # linux/posix_acl_xattr.h, as are the tags
OWNER, USER, MASK = 0x01, 0x02, 0x10


def fault_of(descriptor: int, path: Path) -> str | None:
    """Return what speaks against the key in the file that is open, None where all is well."""
    found, user = os.fstat(descriptor), os.geteuid()
    if not stat.S_ISREG(found.st_mode):
        return f"asked for the key in {path}, found no regular file"
    if found.st_uid not in (user, ROOT):
        return f"the key in {path} belongs to another user; make a key of your own, or run chown"
    if is_open(found.st_mode, list_of(descriptor), user):
        return f"others may read the key in {path}; run chmod 600 on it, and think of a new key"
    return None


def is_open(mode: int, access_list: bytes | None, user: int) -> bool:
    """Return whether others than the owner and *user* have any right to a file."""
    return bool(mode & 0o007 or (mode & 0o070 and not is_for_one(access_list, user)))


def is_for_one(access_list: bytes | None, user: int) -> bool:
    """Return whether a list gives rights to the file's owner and to *user*, and to nobody else."""
    if access_list is None or not access_list.startswith(LIST_VERSION) or len(access_list) % 8 != len(LIST_VERSION):
        return False
    entries = struct.iter_unpack("<HHI", access_list[len(LIST_VERSION) :])
    return all(not rights or tag in (OWNER, MASK) or (tag, id_) == (USER, user) for tag, rights, id_ in entries)


def list_of(descriptor: int) -> bytes | None:
    """Return the access control list of an open file, None where it has none."""
    if sys.platform != "linux":
        return None
    try:
        return os.getxattr(descriptor, LIST_NAME)
    except OSError:
        return None  # it has only its mode, or its file system knows no lists
