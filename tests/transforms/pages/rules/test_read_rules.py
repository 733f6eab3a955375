"""Rules read from YAML: what each kind becomes, and the one line with its number for what is wrong."""

from datetime import date

import pytest

from transforms.pages.rules.read_rules import parse_rules
from transforms.pages.rules.rule import Audience, Rule, RulesError
from transforms.pages.rules.rule_kinds import RULE_KINDS, Cap, Exclude, Pin, Quota, Spacing

SHELVES, SURFACES = ("fresh", "made_for_you"), ("home", "discover")
WHOLE = """
rules:
  - name: new music on top
    pin: {shelf: fresh, position: 1}
    when: {markets: [se, NO], surfaces: [home], from: 2026-01-01, until: 2026-01-31, min_plays: 3, max_plays: 9}
  - exclude: {tracks: [t1, t2], artists: [a1], genres: [rock], explicit: true}
  - cap: {artist: 2}
  - quota:
      unplayed: 6
      shelves: 3
  - space: {shelf: made_for_you, apart: 2}
"""


def test_every_kind_of_rule() -> None:
    when = Audience(("SE", "NO"), ("home",), date(2026, 1, 1), date(2026, 1, 31), 3, 9)
    excluded = Exclude(("t1", "t2"), ("a1",), ("rock",), explicit=True)
    assert parse_rules(WHOLE, SHELVES, SURFACES) == (
        Rule("new music on top", 3, when, Pin("fresh", 1)),
        Rule("exclude of line 6", 6, Audience(), excluded),
        Rule("cap of line 7", 7, Audience(), Cap(2)),
        Rule("quota of line 8", 8, Audience(), Quota(6, 3)),
        Rule("space of line 11", 11, Audience(), Spacing("made_for_you", 2)),
    )


def test_a_former_key_is_still_read() -> None:
    assert parse_rules(WHOLE.replace("unplayed", "unheard"), SHELVES, SURFACES) == parse_rules(WHOLE, SHELVES, SURFACES)


@pytest.mark.parametrize("text", ["", "# nothing\n", "rules: []"])
def test_no_rules(text: str) -> None:
    assert parse_rules(text, SHELVES, SURFACES) == ()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rules:\n  - pni: {shelf: fresh}", 2, "unknown key 'pni'; the keys here are name, when, pin"),
        ("rulez: []", 1, "unknown key 'rulez'"),
        ("- pin", 1, "expected rules"),
        ("rules:\n  pin: {}", 2, "expected a list"),
        ("rules:\n  - pin: {shelf: fresh, position: 1, hight: 2}", 2, "unknown key 'hight'"),
        (
            "rules:\n  - pin: {shelf: fresh,\n      position: first}",
            3,
            "'first' is no whole number from 0",
        ),
        ("rules:\n  - pin: {shelf: fresh}", 2, "'position' is missing"),
        ("rules:\n  - pin: fresh", 2, "expected shelf, position"),
        ("rules:\n  - pin:\n      shelf: frehs\n      position: 1", 3, "there is no shelf 'frehs'"),
        ("rules:\n  - name: x\n    when: {}", 2, "this one has none"),
        ("rules:\n  - cap: {artist: 1}\n    quota: {unplayed: 1, shelves: 1}", 2, "cap and quota"),
        ("rules:\n  - cap: {artist: 0}", 2, "'0' is no whole number from 1 to"),
        ("rules:\n  - space: {shelf: fresh, apart: 1}", 2, "'1' is no whole number from 2 to"),
        ("rules:\n  - exclude: {}", 2, "'exclude' is empty"),
        ("rules:\n  - exclude: {explicit: yes}", 2, "explicit can only be true"),
        ("rules:\n  - exclude: {tracks: t1}", 2, "expected a list"),
        ("rules:\n  - exclude: {tracks: [[t1]]}", 2, "expected one value"),
        ("rules:\n  - cap: {artist: 1}\n    when:\n      markets: [Sweden]", 4, "'Sweden' is no market"),
        (
            "rules:\n  - cap: {artist: 1}\n    when:\n      surfaces: [home, hom]",
            4,
            "there is no surface 'hom'; the surfaces are discover, home",
        ),
        ("rules:\n  - cap: {artist: 1}\n    when: {surfaces: home}", 3, "expected a list"),
        ("rules:\n  - cap: {artist: 1}\n    when: {from: soon}", 3, "'soon' is no day such as 2026-11-23"),
        ("rules:\n  - cap: {artist: 1}\n    cap: {artist: 2}", 3, "'cap' stands here twice"),
        ("rules:\n  - {name: a, cap: {artist: 1}}\n  - {name: a, cap: {artist: 2}}", 3, "another rule is called 'a'"),
        ("rules:\n  - cap: {artist: ²}", 2, "'²' is no whole number"),
        ("rules:\n  - cap: {artist: 99999999999999999999}", 2, "no whole number"),
        ("rules:\n  - name:\n    cap: {artist: 1}", 2, "expected a value, found none"),
        ("rules:\n  - {[a]: 1}", 2, "expected one value"),
        *(
            (f"rules:\n  - exclude:\n      {name}: {values}", 3, words)
            for name in ("tracks", "artists", "genres")
            for values, words in (("[]", "the list is empty"), ("['']", "found none"), ("[' ']", "found none"))
        ),
        *(
            (f"rules:\n  - cap: {{artist: 1}}\n    when:\n      {when}", line, words)
            for when, line, words in (
                ("markets: []", 4, "the list is empty"),
                ("surfaces: []", 4, "the list is empty"),
                ("from: 20260101", 4, "'20260101' is no day"),
                ("from: 2026-01-02\n      until: 2026-01-01", 5, "'from' is above 'until'"),
                ("min_plays: 3\n      max_plays: 2", 5, "'min_plays' is above 'max_plays'"),
            )
        ),
        ("rules:\n  - cap: {artist: 1}\n# \x00", 3, "not YAML"),
        ("rules: " + "[" * 5_000, 1, "nested too deep"),
        ("rules: &all [*all]", 1, "nested too deep"),
        ("rules:\n  - &one {name: a, cap: *one}", 1, "nested too deep"),
        ("rules:\n  - cap: {artist: 1", 2, "not YAML"),
        ("rules:\n\t- cap", 2, "not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(RulesError) as error:
        parse_rules(text, SHELVES, SURFACES, "rules.yaml")
    assert str(error.value).startswith(f"rules.yaml line {line}: ") and words in str(error.value)
    assert "\n" not in str(error.value)


# Words that YAML 1.1 reads as something else than the text.
SCALARS = [
    "NO",
    "no",
    "on",
    "true",
    "null",
    "~",
    "007",
    "0x1F",
    "1e3",
    "12:30",
    "2026-01-01",
    "1_000",
    ".inf",
    "=",
    "<<",
]


@pytest.mark.parametrize("style", ["{}", "'{}'", '"{}"'])
@pytest.mark.parametrize("scalar", SCALARS)
def test_every_value_is_read_as_it_is_written(scalar: str, style: str) -> None:
    given = style.format(scalar)
    text = f"rules:\n  - name: {given}\n    exclude: {{tracks: [{given}], artists: [{given}], genres: [{given}]}}"
    (rule,) = parse_rules(text, SHELVES, SURFACES)
    assert rule.name == scalar and rule.kind == Exclude((scalar,), (scalar,), (scalar,))


@pytest.mark.parametrize("surfaces", ["[now_playing]", "[home, now_playing]"])
@pytest.mark.parametrize("kind", [kind.key for kind in RULE_KINDS])
def test_a_rule_of_shelves_is_not_one_of_queues(kind: str, surfaces: str) -> None:
    values = {
        "pin": "{shelf: fresh, position: 1}",
        "exclude": "{explicit: true}",
        "cap": "{artist: 2}",
        "quota": "{unplayed: 2, shelves: 1}",
        "space": "{shelf: fresh, apart: 2}",
    }
    text = f"rules:\n  - {kind}: {values[kind]}\n    when: {{surfaces: {surfaces}}}"
    known = (*SURFACES, "now_playing")
    if kind in ("exclude", "cap"):
        assert parse_rules(text, SHELVES, known)[0].kind.key == kind
    else:
        with pytest.raises(RulesError, match=f"line 2: '{kind}' is about shelves, and now_playing has none"):
            parse_rules(text, SHELVES, known)
