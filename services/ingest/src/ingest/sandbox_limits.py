"""What the process that reads one file may use, and how it is shut in."""

import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from ingest.sandbox_seccomp import seal

_MIB = 1024 * 1024
# Nobody else's: what usually runs as `nobody` (65534) may be our own Postgres.
_NOBODY = 65531
# What is left for saying that memory ran out.
_LAST_WORDS = 48 * _MIB
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """For one file. Memory is on top of what the interpreter and the libraries take; `threads` says that a library has to start some."""

    memory_mib: int = 512
    cpu_s: int = 60
    wall_s: float = 90
    result_mib: int = 96
    threads: bool = False

    @property
    def result_bytes(self) -> int:
        """The most that may come back."""
        return self.result_mib * _MIB


def load_libc() -> ctypes.CDLL:
    """The C library of this process; load it before the walls go up."""
    return ctypes.CDLL(None, use_errno=True)


def confine(limits: SandboxLimits, libc: ctypes.CDLL, empty_folder: int) -> None:
    """Shut this process in, for good: no file system where that is allowed, no new process, no file, bounded memory and time."""
    _make_first_victim()
    base = _address_space()
    os.nice(5)
    _leave_file_system(empty_folder)
    memory = base + limits.memory_mib * _MIB
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory + _LAST_WORDS))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not seal(libc) and not limits.threads:
        # The coarser fence: it counts threads too, which one decoder cannot do without.
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def allow_last_words() -> None:
    """Lift the memory limit to its hard value, so that a process that ran out of it can say so."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _make_first_victim() -> None:
    # When the container runs out of memory, the kernel is to take this process and not the service.
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def _leave_file_system(empty_folder: int) -> None:
    """As root: move into a folder that no longer exists and become a user who owns nothing.

    A service that is not root keeps its rights to files; the filter on system calls then lets none be opened.
    """
    if os.geteuid() != 0:
        return
    try:
        os.fchdir(empty_folder)
        os.chroot(".")
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except OSError:
        # A container without these capabilities: root there has little to lose, and every other limit holds.
        return
