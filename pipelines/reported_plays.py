"""The plays of the users whom an evaluation reports on (--report_users); everything learns from everyone's."""

import apache_beam as beam

from pipelines.inputs.inputs import InputTable
from transforms.reading.keep_users import REPORT_USERS, KeepUsers
from transforms.reading.read_tables import ReadTables


def reported_plays(root: beam.Pipeline, plays: beam.PCollection, users: InputTable | None) -> beam.PCollection:
    """Return the plays of the users in a table of REPORT_USERS; None: all plays."""
    if users is None:
        return plays
    read = root | "ReadReportUsers" >> ReadTables(users.row_groups, REPORT_USERS, users.column_mapping)
    return plays | KeepUsers(read)
