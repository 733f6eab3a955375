"""Checkpoints of a training: whole files in a folder of the run, from which another attempt resumes.

<run>/checkpoints/<name of the training>-000003.npz
"""

import hashlib
import io
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transforms.tables.files import list_files, read_bytes, remove_files, remove_folder, write_atomically

# The newest may be replaced while another attempt is about to read it, so the one before it stays.
_NUM_KEPT = 2


@dataclass
class CheckpointFolder:
    """Checkpoints of one training, shared by all attempts at it.

    Every attempt passes through the same states, so a number identifies a state.

    name: of the training; files of any other are ignored. saved: number of the newest checkpoint seen.
    """

    folder: str
    name: str
    saved: int = 0

    def save(self, state: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint, whole or not at all, and remove all but the newest _NUM_KEPT."""
        self.saved += 1
        content = io.BytesIO()
        np.savez(content, **state)  # type: ignore[arg-type]  # its keywords are arrays
        write_atomically(f"{self.folder}/{self.name}-{self.saved:06d}.npz", content.getvalue())
        remove_files([path for number, path in self._found() if number <= self.saved - _NUM_KEPT])

    def latest(self) -> Mapping[str, np.ndarray] | None:
        """Read the newest checkpoint; None without one."""
        if not (found := self._found()):
            return None
        self.saved, path = found[-1]
        with np.load(io.BytesIO(read_bytes(path))) as arrays:
            return dict(arrays)

    def clear(self) -> None:
        """Remove the folder after the training."""
        remove_folder(self.folder)

    def _found(self) -> list[tuple[int, str]]:
        """Return number and path of each checkpoint, ascending."""
        names = ((posixpath.basename(file.path), file.path) for file in list_files(self.folder))
        ours = ((name.removeprefix(f"{self.name}-"), path) for name, path in names if name.startswith(f"{self.name}-"))
        return sorted((int(rest.removesuffix(".npz")), path) for rest, path in ours)


def training_name(parts: Sequence[str]) -> str:
    """Return a name that is a hash of everything a training depends on."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
