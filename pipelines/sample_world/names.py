"""Invented names of tracks, albums and artists from lists of words."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ADJECTIVES = (
    "Amber Blue Broken Burning Crooked Distant Empty Faded Fearless Foreign Frozen Gentle Golden Hidden Hollow "
    "Honest Infinite Lazy Lonely Lucid Midnight Modern Northern Paper Patient Phantom Quiet Restless Sacred Secret "
    "Silver Sleepless Slow Stolen Strange Sudden Tender Velvet Violet Wandering Wasted Weightless Wild Winter"
).split()
_NOUNS = (
    "Anthem Arrow Avenue Balloon Bridge Canyon Carousel Cathedral Comet Compass Crown Desert Echo Ember Engine Feather "
    "Fever Garden Ghost Harbour Horizon Island Kingdom Lantern Letter Lullaby Machine Meadow Mirror Monsoon Mountain "
    "Neighbour Ocean Parade Photograph Planet Postcard Radio Railway Rain River Satellite Shadow Signal Skyline "
    "Staircase Stranger Summer Sunday Telephone Thunder Tide Train Valley Window Wolf"
).split()
_VERBS = "Chase Forget Follow Remember Carry Paint Borrow Outrun Believe Whisper Repeat Lose Find Burn Hold".split()
_FOREIGN = (
    "Über den Dächern|Café au lait|Mañana|São Jorge|Señorita|Été sans fin|Głos|Où es-tu|Sólarlag|Çay Saati|Köln, 4 Uhr|"
    "Corazón|Ångström|Niño|Příběh|Première neige|Órbita|Yağmur|花火|夜の電車|서울의 밤|Море|Ночь|Καλοκαίρι"
).split("|")
_FIRST_NAMES = (
    "Ada Alma Amadou Anaïs Beata Björn Chiara Chloé Dmitri Elif Emil Fatou Freya Hana Idris Inês Iver Jonas José Kofi "
    "Lars Leïla Lena Łucja Malik Mara Mateo Mei Nadia Noor Óscar Petra Quinn Rafael Ravi Renée Saoirse Selma Sólveig "
    "Theo Tomás Uma Vera Wren Yusuf Zoë"
).split()
_LAST_NAMES = (
    "Abara Almeida Arslan Bergström Bianchi Castellanos Darrow Dubois Eriksen Farouk Ferreira Fjord Gallagher Haddad "
    "Hartmann Ibarra Jansen Kaminski Kowalski Lindqvist Marlowe Mbeki Moreau Müller Nakamura Novak Okafor Olsen Park "
    "Petrov Quiroga Rossi Sato Sørensen Tanaka Vance Vasquez Virtanen Whitlock Yıldız Zimmer"
).split()


def title_names(rng: np.random.Generator, count: int) -> pa.Array:
    """Return names of tracks or albums, string [count]; some occur more than once."""
    adjective, noun = _words(rng, _ADJECTIVES, count), _words(rng, _NOUNS, count)
    other, verb = _words(rng, _NOUNS, count), _words(rng, _VERBS, count)
    foreign = _words(rng, _FOREIGN, count)
    patterns = (
        _joined(adjective, noun),
        _joined(noun, "of", adjective, other),
        _joined(verb, "the", noun),
        _joined(adjective, noun, "&", other),
        _joined(foreign, rng.integers(1, 100, count)),
        noun,
    )
    pattern = rng.choice(len(patterns), count, p=(0.3, 0.2, 0.25, 0.15, 0.05, 0.05))
    return pc.choose(pa.array(pattern), *patterns)


def artist_names(rng: np.random.Generator, count: int) -> pa.Array:
    """Return names of people and bands, string [count], no two alike."""
    people = _pairs(_FIRST_NAMES, _LAST_NAMES)
    bands = pa.concat_arrays([_joined("The", _pairs(_ADJECTIVES, _plural(_NOUNS))), _pairs(_NOUNS, _NOUNS)])
    names = pa.concat_arrays([people, bands])
    order = rng.permutation(len(names))
    index = np.arange(count)
    name = names.take(pa.array(order[index % len(names)]))
    # beyond the last combination the names start again with a number: "Ada Novak 2"
    return pc.if_else(pa.array(index < len(names)), name, _joined(name, index // len(names) + 1))


def _words(rng: np.random.Generator, words: list[str], count: int) -> pa.Array:
    return pa.array(words).take(pa.array(rng.integers(len(words), size=count)))


def _pairs(first: list[str], second: list[str]) -> pa.Array:
    """Return every first word with every second."""
    index = np.arange(len(first) * len(second))
    return _joined(pa.array(first).take(pa.array(index // len(second))), pa.array(second * len(first)))


def _plural(nouns: list[str]) -> list[str]:
    return [f"{noun[:-1]}ies" if noun[-1] == "y" and noun[-2] not in "ae" else f"{noun}s" for noun in nouns]


def _joined(*parts: pa.Array | np.ndarray | str) -> pa.Array:
    """Join texts, row by row, with spaces."""
    columns = [part if isinstance(part, str) else pa.array(part).cast(pa.string()) for part in parts]
    return pc.binary_join_element_wise(*columns, " ")
