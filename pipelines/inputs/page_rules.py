"""Policy and rules of composition, read from flags and files."""

from datetime import datetime

from apache_beam.io.filesystems import FileSystems

from pipelines.options.options import StageOptions, UsageError
from transforms.pages.composition.policy import Policy
from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import RulesError
from transforms.pages.shelves.shelves import RULE_SURFACES, SHELF_IDS, SURFACES
from transforms.tables.failures import last_error_line


def build_policy(options: StageOptions, surfaces: tuple[str, ...], as_of: datetime) -> Policy:
    """Return the policy that the flags describe."""
    return Policy(
        surfaces=surfaces,
        shelf_size=options.shelf_size,
        max_shelves=options.max_shelves,
        diversity=options.diversity,
        calibration=options.calibration,
        exploration=options.exploration,
        seed=options.seed,
        as_of=as_of,
        artist_saturation=options.artist_saturation,
        genre_saturation=options.genre_saturation,
        idea_saturation=options.idea_saturation,
        interleaving=options.interleaving,
        first_screen_artist_tracks=options.first_screen_artist_tracks,
        habit_share=options.habit_share,
    )


def read_rules(path: str) -> str:
    """Return the text of a file of rules, empty without a path.

    Raises:
        UsageError: the file cannot be read, or a rule is wrong; it names the line.
    """
    if not path:
        return ""
    try:
        with FileSystems.open(path) as file:
            text = str(file.read().decode())
        parse_rules(text, SHELF_IDS, RULE_SURFACES, path)
        return text
    except (RulesError, UnicodeDecodeError) as error:
        raise UsageError(f"--rules: {error}") from error
    except Exception as error:
        raise UsageError(f"--rules={path}: {last_error_line(error)}") from error


def check_surfaces(surfaces: tuple[str, ...], known: tuple[str, ...] = SURFACES) -> tuple[str, ...]:
    """Return the surfaces without duplicates.

    Raises:
        UsageError: there is none, or one of them is not among the `known` ones.
    """
    wrong = [name for name in surfaces if name not in known]
    if wrong or not surfaces:
        raise UsageError(f"--surfaces: {wrong[0] if wrong else ''!r} is none of {', '.join(known)}")
    return tuple(dict.fromkeys(surfaces))
