"""Where models run: the devices by name, their precision, and the memory that is free."""

import ctypes
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch

from genart_hub.errors import GenartError, shorten

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`: auto, cpu, cuda or mps; None reads GENART_DEVICE and else is the CPU."""
    if isinstance(name, torch.device):
        return name
    name = name or os.environ.get("GENART_DEVICE") or "cpu"
    available = [d for d in DEVICES[1:] if d == "cpu" or (torch.cuda if d == "cuda" else torch.backends.mps).is_available()]
    if name == "auto":
        return torch.device(next((d for d in ("cuda", "mps") if d in available), "cpu"))
    if str(name).split(":")[0] not in available:
        raise GenartError("bad_device", device=shorten(name), available=", ".join(["auto", *available]))
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise GenartError("bad_device", device=shorten(name), available=", ".join(["auto", *available])) from error


# ---- loading ----


def dtype_on(device: str, has_bfloat16: bool) -> torch.dtype:
    """The precision that a pipeline runs in where none is asked for. device: cpu, cuda or mps."""
    if device == "cuda":
        return torch.bfloat16 if has_bfloat16 else torch.float16
    return torch.float16 if device == "mps" else torch.float32


# ---- what a pipeline will take ----


def operations_a_second() -> float:
    """Of a float32 matrix product of 512 x 512, the best of three."""
    x = torch.full((512, 512), 0.5)
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        x @ x
        best = min(best, time.perf_counter() - start)
    return 2 * 512**3 / best


def free_memory(device: str | torch.device = "cpu") -> int:
    """Bytes that a program could still take: of the GPU, or of this machine and the container around it."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if sys.platform == "win32":
        status = (ctypes.c_uint64 * 8)(64)  # MEMORYSTATUSEX: its size, the load; total and available bytes of memory follow
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status[2])
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        return min(available, _left_in_container())
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # macOS frees what it caches when asked


def _left_in_container(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes until the limit of cgroup version 2."""
    with suppress(OSError, ValueError):
        limit, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        pages = next(int(line.split()[1]) for line in (folder / "memory.stat").read_text().splitlines() if line.startswith("file "))
        return max(0, limit - used + pages)
    return sys.maxsize
