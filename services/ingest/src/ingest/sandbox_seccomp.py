"""A system call filter (seccomp BPF, see seccomp(2)) for a process that has all it needs: memory, one file to read and one pipe to answer on.

It may compute, start threads and end. It may not open or change a file, start a process or a program, use a network or touch another process.
Works without root. Refused calls fail with EPERM, as if the right were missing, so that libraries report an ordinary error.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_LOAD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL = 0x80000000
# Offsets in `struct seccomp_data`.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16


@dataclass(frozen=True, slots=True)
class _Calls:
    """The numbers of one architecture."""

    audit: int
    clone: int
    refused: tuple[int, ...]


_CLONE3 = 435
# io_uring, openat2, mount API, pidfd_open and pidfd_getfd: numbered alike everywhere.
_REFUSED_EVERYWHERE = (425, 428, 429, 430, 431, 432, 434, 437, 438)
_CALLS = {
    "x86_64": _Calls(
        audit=0xC000003E,
        clone=56,
        refused=(
            *(57, 58, 59, 322),  # fork, vfork, execve, execveat
            *(2, 85, 257, 304),  # open, creat, openat, open_by_handle_at
            *(41, 42, 43, 49, 50, 53, 288),  # socket, connect, accept, bind, listen, socketpair, accept4
            *(
                76,
                82,
                83,
                84,
                86,
                87,
                88,
                90,
                92,
                94,
                133,
            ),  # truncate, rename, mkdir, rmdir, link, unlink, symlink, chmod, chown, lchown, mknod
            *(258, 259, 260, 263, 264, 265, 266, 268, 316),  # the same, relative to a folder
            *(62, 101, 129, 310, 311),  # kill, ptrace, rt_sigqueueinfo, process_vm_readv, process_vm_writev
            *(155, 161, 165, 166, 272, 308),  # pivot_root, chroot, mount, umount2, unshare, setns
            *(248, 249, 250, 298, 321, 323),  # add_key, request_key, keyctl, perf_event_open, bpf, userfaultfd
        ),
    ),
    "aarch64": _Calls(
        audit=0xC00000B7,
        clone=220,
        refused=(
            *(221, 281),  # execve, execveat
            *(56, 265),  # openat, open_by_handle_at
            *(198, 199, 200, 201, 202, 203, 242),  # socket, socketpair, bind, listen, accept, connect, accept4
            *(
                33,
                34,
                35,
                36,
                37,
                38,
                45,
                53,
                54,
                276,
            ),  # mknodat, mkdirat, unlinkat, symlinkat, linkat, renameat, truncate, fchmodat, …
            *(117, 129, 138, 270, 271),  # ptrace, kill, rt_sigqueueinfo, process_vm_readv, process_vm_writev
            *(39, 40, 41, 51, 97, 268),  # umount2, mount, pivot_root, chroot, unshare, setns
            *(217, 218, 219, 241, 280, 282),  # add_key, request_key, keyctl, perf_event_open, bpf, userfaultfd
        ),
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def seal(libc: ctypes.CDLL) -> bool:
    """Put the filter on this process, for good; False where the kernel or the machine knows no such filter. Needs `no_new_privs`."""
    calls = _CALLS.get(platform.machine())
    if calls is None:
        return False
    instructions = _filter(calls)
    program = _Program(len(instructions) // 8, instructions)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(calls: _Calls) -> bytes:
    refused = (*calls.refused, *_REFUSED_EVERYWHERE)
    # Each comparison jumps over what is left of the list, to one of the four ends that follow it.
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_EQUAL, calls.audit, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_JUMP_AT_LEAST, _X32, len(refused) + 3, 0),
        _step(_JUMP_EQUAL, _CLONE3, len(refused) + 3, 0),
        _step(_JUMP_EQUAL, calls.clone, len(refused) + 3, 0),
        *(_step(_JUMP_EQUAL, number, len(refused) - place, 0) for place, number in enumerate(refused)),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _ERRNO | errno.EPERM),
        # The C library then falls back to `clone`, whose flags can be looked at.
        _step(_RETURN, _ERRNO | errno.ENOSYS),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_JUMP_ANY_BIT, _CLONE_THREAD, 0, 1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _ERRNO | errno.EPERM),
    ]
    return b"".join(steps)


def _step(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
