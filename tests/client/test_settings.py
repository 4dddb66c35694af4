"""Which server is asked, and as whom."""

from pathlib import Path

import pytest

from shaman.client import Client, Invalid, Settings, load_settings
from shaman.client.settings import LOCAL_URL

FILE = 'url = "https://file.example.org"\nuser = "filed"\nkey = "of the file"\n'
LOGIN = {"SHAMAN_API_USER": "builder", "SHAMAN_API_KEY": "secret"}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Return an environment with the file in its usual place."""
    (tmp_path / "shaman").mkdir()
    (tmp_path / "shaman" / "client.toml").write_text(FILE)
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_without_anything_it_is_the_local_one(tmp_path: Path) -> None:
    """That of `shaman serve`, and nobody in particular."""
    assert load_settings(environ={"XDG_CONFIG_HOME": str(tmp_path)}) == Settings(url=LOCAL_URL)


def test_the_file_is_found(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where XDG_CONFIG_HOME says, in ~/.config, or where SHAMAN_CLIENT_CONFIG says."""
    filed = Settings(url="https://file.example.org", user="filed", key="of the file")
    folder = Path(home["XDG_CONFIG_HOME"])
    assert load_settings(environ=home) == filed
    assert load_settings(environ={"SHAMAN_CLIENT_CONFIG": str(folder / "shaman" / "client.toml")}) == filed
    (folder / ".config").mkdir()
    (folder / "shaman").rename(folder / ".config" / "shaman")
    monkeypatch.setenv("HOME", str(folder))
    assert load_settings(environ={}) == filed


def test_the_environment_wins_over_the_file(home: dict[str, str]) -> None:
    """And an option over both."""
    environ = home | LOGIN | {"SHAMAN_URL": "https://variable.example.org"}
    settings = Settings(url="https://variable.example.org", user="builder", key="secret")
    assert load_settings(environ=environ) == settings
    assert load_settings("https://option.example.org", environ).url == "https://option.example.org"
    assert load_settings(environ=home | LOGIN).user == "builder"


def test_credentials_of_a_file_go_to_its_server(home: dict[str, str]) -> None:
    """Another one does not get them; those of a file that names no server are for any."""
    assert load_settings("https://file.example.org/", home).user == "filed"
    assert load_settings("https://other.example.org", home) == Settings(url="https://other.example.org")
    file = Path(home["XDG_CONFIG_HOME"]) / "shaman" / "client.toml"
    file.write_text('user = "filed"\nkey = "of the file"\n')
    assert load_settings("https://other.example.org", home).user == "filed"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('password = "hunter2"', "password"),
        ("url = 1", "url"),
        ('url = "ftp://file.example.org"', "client.toml: url"),
        ('url = "file.example.org"', "client.toml: url: must begin with http:// or https://"),
        ('url = "https://me:hunter2@file.example.org"', "client.toml: url: its host: must not name a user"),
        ('url = "https://file.example.org/?a=b"', "client.toml: url: must end with the path"),
        ('user = "builder"', "only one of the two"),
        ('user = "a:b"\nkey = "hunter2"', "user: must have no colon"),
        ("url = ", "client.toml"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(home: dict[str, str], text: str, named: str) -> None:
    """The error names the file or the setting, and no secret."""
    (Path(home["XDG_CONFIG_HOME"]) / "shaman" / "client.toml").write_text(text)
    with pytest.raises(Invalid) as refused:
        load_settings(environ=home)
    assert named in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SHAMAN_CLIENT_CONFIG": "/nowhere/client.toml"}, "/nowhere/client.toml: there is no such file"),
        ({"SHAMAN_API_USER": "a"}, "SHAMAN_API_KEY"),
        ({"SHAMAN_URL": "shaman.example.org"}, "SHAMAN_URL: must begin with"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused(home: dict[str, str], environ: dict[str, str], named: str) -> None:
    """The error names it."""
    with pytest.raises(Invalid, match=named):
        load_settings(environ=home | environ)


def test_no_key_is_shown() -> None:
    """Neither by the settings nor by the client that was made of them."""
    settings = Settings(url=LOCAL_URL, user="builder", key="hunter2")
    client = Client(settings.url, user=settings.user, key=settings.key)
    assert "hunter2" not in f"{settings!r} {settings} {client!r}"
    with pytest.raises(Invalid, match="only one of the two"):
        Client(LOCAL_URL, user="builder")
