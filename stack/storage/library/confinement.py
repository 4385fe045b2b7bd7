"""What a process gives up before it parses what strangers sent: everything but its memory and its open descriptors.

The system call filter allows what a running Python needs to compute, to read open files and to answer; everything
else fails with EPERM. So no file can be opened, written or removed, no socket made, no process started or looked
into. It cannot be lifted again. Machines that the table does not know are not filtered, and told apart by `confine`.
"""

import ctypes
import errno
import os
import resource
import signal
import struct
from collections.abc import Sequence

MEMORY_BYTES = 128 << 20
CPU_S = 20
_MAX_DESCRIPTORS = 32

# prctl(2)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2

# seccomp(2): where struct seccomp_data has its fields, and what a filter returns.
_NR, _ARCH = 0, 4
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE = 0x00050000 | errno.EPERM

# bpf(4): the three instructions that are needed.
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06

# What stays allowed: the numbers of x86-64, and those that newer architectures share (asm-generic/unistd.h).
CALLS: dict[str, tuple[int, int]] = {
    "read": (0, 63),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "recvmsg": (47, 212),
    "exit": (60, 93),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
}

# By machine: its AUDIT_ARCH (linux/audit.h), and its column of `CALLS`.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1), "riscv64": (0xC00000F3, 1)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine() -> bool:
    """Give up everything, and end with the parent. False if this machine's system calls are not filtered."""
    for option, value in ((_PR_SET_PDEATHSIG, signal.SIGKILL), (_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        _prctl(option, value, 0)
    _limit_resources()
    machine = os.uname().machine
    if machine not in _MACHINES:
        return False
    architecture, column = _MACHINES[machine]
    instructions = _filter_program(architecture, [numbers[column] for numbers in CALLS.values()])
    program = _Program(len(instructions) // 8, instructions)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))
    return True


def _filter_program(architecture: int, calls: Sequence[int]) -> bytes:
    """The filter: another architecture kills, the calls are allowed, all others refused."""
    tests = [_instruction(_JUMP_IF_EQUAL, call, if_true=len(calls) - at) for at, call in enumerate(calls)]
    return b"".join(
        [
            _instruction(_LOAD, _ARCH),
            _instruction(_JUMP_IF_EQUAL, architecture, if_true=1),
            _instruction(_RETURN, _KILL),
            _instruction(_LOAD, _NR),
            *tests,
            _instruction(_RETURN, _REFUSE),
            _instruction(_RETURN, _ALLOW),
        ]
    )


def _instruction(code: int, operand: int, if_true: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, 0, operand)


def _limit_resources() -> None:
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_NOFILE: _MAX_DESCRIPTORS,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def _prctl(option: int, value: int, argument: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(argument), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
