"""What a measurement depends on: the versions, the processor, and which matrix products are in use."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "torch", "scikit-learn")


def facts(blas: list[str]) -> list[str]:
    """The table's header, a fact a line; `blas` is what `blas_in_use` has found in the measuring process."""
    import clearprop

    versions = [f"clearprop {clearprop.__version__}", f"Python {platform.python_version()}"]
    versions += [f"{name} {_version(name)}" for name in PACKAGES]
    return [", ".join(versions), f"{processor()}, {cores()} cores, {platform.system()}", *blas]


def notes() -> list[str]:
    """What one should know before trusting the numbers; to be asked for before measuring."""
    forced = os.environ.get("OPENBLAS_CORETYPE")
    said = []
    if forced:
        said.append(
            f"Note: OPENBLAS_CORETYPE={forced} in the environment forces these kernels on OpenBLAS, which might "
            "choose others for this processor. PyTorch's MKL takes no notice of it. For OpenBLAS's own choice: "
            "env -u OPENBLAS_CORETYPE python -m benchmarks"
        )
    others = sorted(
        k for k in os.environ if k.startswith("OPENBLAS_") and not k.endswith(("CORETYPE", "THREADS"))
    )
    if others:
        said.append("Also in the environment: " + ", ".join(f"{name}={os.environ[name]}" for name in others))
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5:
        said.append(
            f"Note: the machine was busy when this began (load {os.getloadavg()[0]:.1f}). "
            "Numbers from a quiet one are worth more."
        )
    return said


def blas_in_use() -> list[str]:
    """The libraries of matrix products that this process has loaded, whose they are, and their kernels."""
    from threadpoolctl import threadpool_info

    found = []
    for each in threadpool_info():
        if each["user_api"] == "blas":
            owner = next(
                (name for name in ("numpy", "scipy", "torch") if f"{name}.libs" in each["filepath"]), ""
            )
            name, number = each["internal_api"], each["version"] or "of unknown version"
            kernels = each.get("architecture") or "unknown"
            found.append(
                f"{owner or 'in use'}: {name} {number}, kernels {kernels}, {each['num_threads']} threads"
            )
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        products = (
            "MKL, kernels of its own choice" if torch.backends.mkl.is_available() else "a BLAS of its own"
        )
        loops, threads = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
        found.append(f"torch: {products}, loops for {loops}, {threads} threads")
    return found


def processor() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """How many cores this process may use."""
    from clearprop.blas import cores as usable

    return usable()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
