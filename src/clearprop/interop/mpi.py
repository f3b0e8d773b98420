"""MPI: whether this process is one of several that mpiexec, or a cluster's own launcher, has started together."""

import os

from clearprop.errors import ConfigError
from clearprop.ranks import ALONE, Ranks

# How many processes there are, or which of them this one is: each launcher says it in variables of its own.
COUNTS = (
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
)  # MPICH, Intel, Microsoft; Open MPI; MVAPICH
NUMBERS = ("PMI_RANK", "PMIX_RANK", "PALS_RANKID")  # what has a number has company, or may have


def ranks_here() -> Ranks:
    """The processes that this one was started with, by what the launcher says in the environment; else it is alone.

    Only under a launcher is mpi4py imported, which begins MPI.

    Raises
    ------
    ConfigError
        If mpi4py is missing, or does not belong to the MPI of the launcher.
    """
    if not any(name in os.environ for name in (*COUNTS, *NUMBERS)):
        return ALONE
    try:
        from mpi4py.MPI import COMM_WORLD

        ranks = Ranks(COMM_WORLD)
    except KeyboardInterrupt:
        os._exit(130)  # on Python's way out MPI would wait for the others; so the launcher ends them
    except (ImportError, RuntimeError) as error:  # the package is missing, or the library under it
        raise ConfigError(
            f"mpiexec: expected mpi4py with an MPI library, got none ({str(error).splitlines()[0]}). "
            "Install them: pip install 'clearprop[mpi]'"
        ) from None
    told = next((os.environ[name] for name in COUNTS if name in os.environ), str(ranks.size))
    if told != str(ranks.size):
        raise ConfigError(
            f"mpiexec: expected {told} ranks, as the launcher says, got {ranks.size} from mpi4py, which belongs to "
            "another MPI. Take that one's mpiexec, or build mpi4py for this one: pip install --no-binary mpi4py mpi4py"
        )
    return ranks
