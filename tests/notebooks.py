"""Execution of notebooks: python -m tests.notebooks docs/tutorials/python.ipynb renews the outputs in the file."""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

# Key in the metadata of cells with the same output on every machine; other outputs hang on a trained model.
SAME_EVERYWHERE = "same_everywhere"


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Execute all cells in a fresh kernel with `folder` as working directory; return the notebook with the outputs."""
    client = NotebookClient(notebook, timeout=300, record_timing=False, resources={"metadata": {"path": str(folder)}})
    executed: NotebookNode = client.execute()
    return executed


def printed(cell: NotebookNode) -> str:
    """Return what a cell printed and showed, as plain text, without warnings."""
    outputs = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
    return "".join(output["text"] if "text" in output else output["data"]["text/plain"] for output in outputs)


def main(path: Path) -> None:
    """Execute a notebook in an empty folder, and write it back without warnings."""
    with tempfile.TemporaryDirectory() as folder:
        executed = execute(nbformat.read(path, as_version=4), Path(folder))
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    executed.metadata = {key: executed.metadata[key] for key in ("kernelspec",)}
    nbformat.write(executed, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
