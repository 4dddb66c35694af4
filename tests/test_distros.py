import contextlib
import shutil
import string
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shaman.distros import TERMS_LIMIT, Releases, Term, canonical_arch, parse_terms
from shaman.errors import Invalid

RELEASES = Releases()

TABLE = tomllib.loads(files("shaman").joinpath("distro_releases.toml").read_text("utf-8"))

SCRIPT = Path(__file__).parent.parent / "scripts" / "distro-releases"

EVERY_RELEASE = [
    (distro, number, codename) for distro, releases in TABLE.items() for number, codename in releases.items()
]

UBUNTU = {
    "14.04": "trusty",
    "16.04": "xenial",
    "18.04": "bionic",
    "20.04": "focal",
    "22.04": "jammy",
    "24.04": "noble",
    "25.10": "questing",
    "26.04": "resolute",
}
DEBIAN = {"10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky"}

untimed = settings(deadline=None)

distros = st.sampled_from(["ubuntu", "debian", "centos", "Ubuntu", " DEBIAN "]) | st.text(max_size=8)
versions = (
    st.sampled_from([name for _, *names in EVERY_RELEASE for name in names])
    | st.from_regex(r"\A[0-9]{1,2}(\.[0-9]{1,2}){0,4}\Z")
    | st.text(max_size=8)
)
names = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=",/"), max_size=12).filter(str.strip)
dotless = names.filter(lambda name: "." not in name and not name.isspace())
blanks = st.text(" ", max_size=3)


@st.composite
def respelled(draw: st.DrawFn, name: str) -> str:
    """Return `name` with blanks around it, in lower, upper or title case."""
    spelling = draw(st.sampled_from([str.lower, str.upper, str.title]))
    return draw(blanks) + spelling(name) + draw(blanks)


# --- releases


@pytest.mark.parametrize(
    ("distro", "number", "codename"),
    [("ubuntu", *names) for names in UBUNTU.items()] + [("debian", *names) for names in DEBIAN.items()],
)
def test_releases_of_today(distro: str, number: str, codename: str) -> None:
    """The releases that packages are built for today are in the table."""
    assert RELEASES.codename(distro, number) == codename
    assert RELEASES.number(distro, codename) == number


def test_first_releases() -> None:
    """The table goes back to the first release of each distro."""
    assert RELEASES.codename("ubuntu", "4.10") == "warty"
    assert RELEASES.codename("debian", "1.1") == "buzz"


@pytest.mark.parametrize(("distro", "number", "codename"), EVERY_RELEASE)
def test_number_and_codename_are_one_release(distro: str, number: str, codename: str) -> None:
    """Number and codename of every release lead to each other, and both to the same canonical version."""
    assert RELEASES.codename(distro, number) == RELEASES.codename(distro, codename) == codename
    assert RELEASES.number(distro, codename) == RELEASES.number(distro, number) == number
    assert RELEASES.canonical(distro, number) == RELEASES.canonical(distro, codename) == codename


@untimed
@given(st.data())
def test_case_and_blanks_do_not_matter(data: st.DataObject) -> None:
    """A release is known in any case and with blanks around its names."""
    distro, number, codename = data.draw(st.sampled_from(EVERY_RELEASE))
    for name in (number, codename):
        given_distro, given_version = data.draw(respelled(distro)), data.draw(respelled(name))
        assert RELEASES.canonical(given_distro, given_version) == codename
        assert RELEASES.number(given_distro, given_version) == number


@untimed
@given(distros, versions)
def test_canonical_and_number_agree(distro: str, version: str) -> None:
    """Canonical version and number are final, and each leads to the other."""
    canonical, number = RELEASES.canonical(distro, version), RELEASES.number(distro, version)
    assert RELEASES.canonical(distro, canonical) == RELEASES.canonical(distro, number) == canonical
    assert RELEASES.number(distro, number) == RELEASES.number(distro, canonical) == number
    assert RELEASES.codename(distro, version) in {canonical, None}


@untimed
@given(st.text(), st.text())
def test_unknown_version_stays(distro: str, version: str) -> None:
    """A version of a distro without codenames is itself, in lower case and without blanks around it."""
    distro = f"no-{distro}"
    assert RELEASES.canonical(distro, version) == RELEASES.number(distro, version) == version.strip().lower()
    assert RELEASES.codename(distro, version) is None


@pytest.mark.parametrize(
    ("distro", "version", "canonical", "number"),
    [
        ("debian", "12.5", "bookworm", "12"),
        ("debian", "6.0.10", "squeeze", "6.0"),
        ("ubuntu", "22.04.3", "jammy", "22.04"),
        ("ubuntu", "22.04.3.1", "jammy", "22.04"),
        ("debian", "12.5.0.1", "bookworm", "12"),
        ("debian", "12.5.0.0.1", "12.5.0.0.1", "12.5.0.0.1"),
        ("debian", "3.1", "sarge", "3.1"),
        ("debian", "3", "3", "3"),
        ("debian", "99.1", "99.1", "99.1"),
        ("ubuntu", "22", "22", "22"),
        ("ubuntu", "jammy.3", "jammy.3", "jammy.3"),
        ("centos", "9.3", "9.3", "9.3"),
    ],
)
def test_point_release(distro: str, version: str, canonical: str, number: str) -> None:
    """A point release is the release it belongs to; what only resembles one stays as it is."""
    assert RELEASES.canonical(distro, version) == canonical
    assert RELEASES.number(distro, version) == number


@pytest.mark.parametrize("codename", ["sid", "experimental"])
def test_release_without_number(codename: str) -> None:
    """A release that never gets a number is its own number."""
    assert RELEASES.codename("debian", codename) == RELEASES.number("debian", codename) == codename


def test_codenames_belong_to_their_distro() -> None:
    """A codename of one distro means nothing to another."""
    assert RELEASES.codename("debian", "jammy") is None
    assert RELEASES.number("debian", "Jammy") == "jammy"


# --- releases from the configuration


def test_extra_releases() -> None:
    """Extra releases are known beside the vendored ones, in any case."""
    releases = Releases({"Ubuntu": {"99.04": "Zany"}, "openeuler": {"24.03": "lts"}})
    assert releases.canonical("ubuntu", "99.04") == "zany"
    assert releases.number("openEuler", "LTS") == "24.03"
    assert releases.canonical("ubuntu", "14.04") == "trusty"


def test_extra_release_wins() -> None:
    """An extra codename takes the place of the vendored one, whose name then means nothing."""
    releases = Releases({"ubuntu": {"14.04": "tahr"}})
    assert releases.canonical("ubuntu", "14.04") == "tahr"
    assert releases.codename("ubuntu", "trusty") is None


def test_extra_releases_stay_where_they_are_given() -> None:
    """Extra releases of one table are unknown to another."""
    Releases({"ubuntu": {"99.04": "zany"}})
    assert Releases().codename("ubuntu", "99.04") is None


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"14.04.9": "trusty"}, "distros.ubuntu: 'trusty' is the codename of '14.04' and '14.04.9'"),
        ({"99.04": "14.04"}, "distros.ubuntu: '14.04' is both a version number and the codename of '99.04'"),
        ({"99.04": " "}, "distros.ubuntu: a version number or codename is empty"),
        ({"": "zany"}, "distros.ubuntu: a version number or codename is empty"),
    ],
)
def test_ambiguous_extra_release(extra: dict[str, str], message: str) -> None:
    """An extra release that would make a name ambiguous is refused by name."""
    with pytest.raises(Invalid) as error:
        Releases({"ubuntu": extra})
    assert str(error.value) == message


# --- terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("ubuntu", [Term("ubuntu")]),
        ("ubuntu.14.04", [Term("ubuntu", "trusty")]),
        ("ubuntu/14.04", [Term("ubuntu", "trusty")]),
        ("ubuntu/trusty/amd64", [Term("ubuntu", "trusty", "x86_64")]),
        ("centos.7", [Term("centos", "7")]),
        ("centos/7/aarch64", [Term("centos", "7", "arm64")]),
        ("red.hat/7", [Term("red.hat", "7")]),
        ("ubuntu, centos.7", [Term("ubuntu"), Term("centos", "7")]),
        ("centos/7,ubuntu/xenial", [Term("centos", "7"), Term("ubuntu", "xenial")]),
        (" Ubuntu / Noble / ARM64 , DEBIAN . 12 ", [Term("ubuntu", "noble", "arm64"), Term("debian", "bookworm")]),
    ],
)
def test_terms(text: str, terms: list[Term]) -> None:
    """Terms are read in each of their forms, in any case, with blanks around every part."""
    assert parse_terms(text, RELEASES) == tuple(terms)


def test_term_is_given_once() -> None:
    """Spellings of one term are one, and the order is that of the first spellings."""
    text = "centos/9/x86_64,ubuntu/14.04,Ubuntu.Trusty,centos/9/AMD64,ubuntu"
    assert parse_terms(text, RELEASES) == (Term("centos", "9", "x86_64"), Term("ubuntu", "trusty"), Term("ubuntu"))


@untimed
@given(names, names, names)
def test_slashes_reach_every_name(distro: str, version: str, arch: str) -> None:
    """Whatever has no comma, slash or control character can be asked for, dots and all."""
    expected = Term(distro.strip().lower(), RELEASES.canonical(distro, version), canonical_arch(arch))
    assert parse_terms(f"{distro}/{version}/{arch}", RELEASES) == (expected,)
    assert parse_terms(f"{distro} / {version}", RELEASES) == (Term(expected.distro, expected.version),)


@untimed
@given(dotless, names)
def test_dot_is_a_slash(distro: str, version: str) -> None:
    """The first dot of a term without a slash separates as a slash does."""
    assert parse_terms(f"{distro}.{version}", RELEASES) == parse_terms(f"{distro}/{version}", RELEASES)


@untimed
@given(st.lists(st.tuples(dotless, names, names), min_size=1, max_size=8))
def test_terms_are_final(cells: list[tuple[str, str, str]]) -> None:
    """Terms that are written out as they were understood are understood as the same."""
    terms = parse_terms(",".join("/".join(cell) for cell in cells), RELEASES)
    assert parse_terms(",".join(f"{term.distro}/{term.version}/{term.arch}" for term in terms), RELEASES) == terms


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("", ""),
        (" ", " "),
        (",", ""),
        ("ubuntu,", ""),
        (",ubuntu", ""),
        ("ubuntu,,centos", ""),
        ("ubuntu, ,centos", " "),
        ("/", "/"),
        ("/7", "/7"),
        ("ubuntu/", "ubuntu/"),
        ("centos,ubuntu/ ", "ubuntu/ "),
        ("ubuntu//x86_64", "ubuntu//x86_64"),
        ("ubuntu/noble/", "ubuntu/noble/"),
        ("ubuntu/noble/x86_64/", "ubuntu/noble/x86_64/"),
        ("ubuntu/noble/x86_64/default", "ubuntu/noble/x86_64/default"),
        (".", "."),
        (".7", ".7"),
        ("ubuntu.", "ubuntu."),
        ("ubuntu. ", "ubuntu. "),
    ],
)
def test_malformed_term(text: str, term: str) -> None:
    """A term that is none of the four forms is refused and repeated."""
    with pytest.raises(Invalid) as error:
        parse_terms(text, RELEASES)
    forms = "distro, distro.version, distro/version or distro/version/arch"
    assert str(error.value) == f"distros: {term!r} is not {forms}"


@pytest.mark.parametrize("character", ["\x00", "\t", "\n", "\x1f", "\x7f", "\x85", "\ud800"])
@pytest.mark.parametrize("term", ["ubuntu{}", "{}ubuntu/noble", "ubuntu/no{}ble", "ubuntu/noble/x86_64{}"])
def test_control_character_in_term(term: str, character: str) -> None:
    """A control character is refused, even where a blank may stand, and told in a printable way."""
    with pytest.raises(Invalid) as error:
        parse_terms(term.format(character), RELEASES)
    assert str(error.value) == f"distros: {term.format(character)!r} has control characters"
    assert str(error.value).isprintable()


def test_long_malformed_term_is_cut() -> None:
    """Only the beginning of a long term is repeated."""
    with pytest.raises(Invalid, match=r"^distros: 'x{50}\.\.\.' is not ") as error:
        parse_terms("x" * 5000 + "/", RELEASES)
    assert len(str(error.value)) < 200


def test_number_of_terms_is_bounded() -> None:
    """As many terms as the limit are read; one more is refused."""
    terms = [f"centos/{number}" for number in range(TERMS_LIMIT + 1)]
    assert len(parse_terms(",".join(terms[:-1]), RELEASES)) == TERMS_LIMIT
    with pytest.raises(Invalid, match=r"^distros: has more than 64 terms$"):
        parse_terms(",".join(terms), RELEASES)


@untimed
@given(st.text(string.printable + "\x00\xa0é/.,", max_size=40))
def test_no_term_has_an_empty_part(text: str) -> None:
    """Any text is refused, or read as terms whose parts are not empty."""
    with contextlib.suppress(Invalid):
        terms = parse_terms(text, RELEASES)
        assert terms
        assert "" not in {part for term in terms for part in (term.distro, term.version, term.arch)}


# --- archs


@pytest.mark.parametrize(
    ("arch", "canonical"),
    [
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("amd64", "x86_64"),
        ("x86_64", "x86_64"),
        (" AMD64 ", "x86_64"),
        ("noarch", "noarch"),
        ("PPC64le", "ppc64le"),
    ],
)
def test_arch(arch: str, canonical: str) -> None:
    """The two names of one arch have one canonical form; every other arch is itself, in lower case."""
    assert canonical_arch(arch) == canonical


@untimed
@given(st.sampled_from(["aarch64", "amd64"]) | st.text())
def test_canonical_arch_is_final(arch: str) -> None:
    """The canonical form of an arch is its own."""
    assert canonical_arch(canonical_arch(arch)) == canonical_arch(arch)


# --- the script that writes the table


def test_table_is_written_from_csv(tmp_path: Path) -> None:
    """The script turns the CSV files of a folder into the table, and names where they are from."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "shaman").mkdir()
    script = shutil.copy(SCRIPT, tmp_path / "scripts")
    (tmp_path / "ubuntu.csv").write_text("version,codename,series\n14.04 LTS,Trusty Tahr,trusty\n")
    (tmp_path / "debian.csv").write_text("version,codename,series\n12,Bookworm,bookworm\n,Sid,sid\n")
    subprocess.run([sys.executable, script, str(tmp_path)], check=True)
    text = (tmp_path / "shaman" / "distro_releases.toml").read_text()
    assert tomllib.loads(text) == {"ubuntu": {"14.04": "trusty"}, "debian": {"12": "bookworm", "sid": "sid"}}
    assert "scripts/distro-releases from the CSV files of distro-info-data; do not edit" in text
