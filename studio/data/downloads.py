"""A data set as a file for other programs: JSON Lines, CSV or Excel."""

from pathlib import Path

from studio.data.dataset_folders import Dataset
from studio.data.dataset_ids import slug
from studio.data.example_files import ExampleFile
from studio.data.example_lines import as_messages
from studio.data.table_files import columns_for, rows_of, write_csv_file, write_excel_file
from studio.errors import DataError
from studio.files import disk_trouble, whole_file

JSON_LINES, CSV, EXCEL = DOWNLOADS = ("jsonl", "csv", "xlsx")
"""The kinds of files, by how their names end."""


def write_download(dataset: Dataset, examples: ExampleFile, folder: Path, kind: str) -> Path:
    """Write the examples of a data set into a folder as a file of this kind, and return the file.

    Raises DataError when an example is damaged, the kind cannot hold it, or the disk does not take the file.
    """
    target = folder / f"{slug(dataset.name) or 'data'}-v{dataset.version}.{kind}"
    with disk_trouble("The file", folder, DataError):
        folder.mkdir(exist_ok=True)
        with whole_file(target, shared=True) as temporary:
            if kind == JSON_LINES:
                _write_lines(temporary, examples)
            else:
                columns = columns_for(examples)
                write = write_csv_file if kind == CSV else write_excel_file
                write(temporary, columns, rows_of(examples, columns))
    return target


def _write_lines(path: Path, examples: ExampleFile) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(as_messages(example) + "\n" for example in examples)
