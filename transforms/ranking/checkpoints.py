"""Checkpoints of a training: whole files in a folder of the run, from which a later attempt at the same goes on.

<run>/checkpoints/<what is trained>-000003.npz
"""

import hashlib
import io
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transforms.tables.files import list_files, read_bytes, remove_files, remove_folder, write_atomically

# Whoever reads the newest may find that it has just been replaced by the next.
_NUM_KEPT = 2


@dataclass
class CheckpointFolder:
    """Of one training. Attempts at it share them: each goes the same way, so a number stands for a state.

    name: of what is trained; from files of any other nothing is taken. saved: number of the newest that is known.
    """

    folder: str
    name: str
    saved: int = 0

    def save(self, state: Mapping[str, np.ndarray]) -> None:
        """Write a file, which appears whole or not at all; all but the newest KEPT go."""
        self.saved += 1
        content = io.BytesIO()
        np.savez(content, **state)  # type: ignore[arg-type]  # its keywords are arrays
        write_atomically(f"{self.folder}/{self.name}-{self.saved:06d}.npz", content.getvalue())
        remove_files([path for number, path in self._found() if number <= self.saved - _NUM_KEPT])

    def latest(self) -> Mapping[str, np.ndarray] | None:
        """Read the newest; None: there is none."""
        if not (found := self._found()):
            return None
        self.saved, path = found[-1]
        with np.load(io.BytesIO(read_bytes(path))) as arrays:
            return dict(arrays)

    def clear(self) -> None:
        """Remove the folder: the training is over."""
        remove_folder(self.folder)

    def _found(self) -> list[tuple[int, str]]:
        """Number and path of each, ascending."""
        names = ((posixpath.basename(file.path), file.path) for file in list_files(self.folder))
        ours = ((name.removeprefix(f"{self.name}-"), path) for name, path in names if name.startswith(f"{self.name}-"))
        return sorted((int(rest.removesuffix(".npz")), path) for rest, path in ours)


def training_name(parts: Sequence[str]) -> str:
    """A name that follows from what a training is made of."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
