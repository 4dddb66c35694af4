"""Settings of the storage nodes: what a file may say about them."""

from pathlib import Path

import pytest

from shaman.config import Config, load
from shaman.errors import Invalid


def load_text(tmp_path: Path, text: str) -> Config:
    """Load a file that says `text`, without anything in the environment."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file, {})


def test_what_is_not_said_about_nodes_has_a_default(tmp_path: Path) -> None:
    """Certificates count, three failures are too many, and configured nodes are not checked."""
    config = load_text(tmp_path, "")
    assert (config.chacra_verify_ssl, config.health_check_retries, config.health.interval) == (True, 3, None)


def test_health_is_set_under_the_old_names_and_its_table(tmp_path: Path) -> None:
    """The two names of the old server stand at the top level."""
    text = "chacra_verify_ssl = false\nhealth_check_retries = 5\n[health]\ninterval = 30\ntimeout = 0.5\n"
    config = load_text(tmp_path, text)
    assert (config.chacra_verify_ssl, config.health_check_retries) == (False, 5)
    assert (config.health.interval, config.health.timeout) == (30, 0.5)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('chacra_nodes = ["chacra.example"]', "must begin with http"),
        ('chacra_nodes = ["https://user:pass@chacra.example"]', "must not name a user"),
        ('chacra_nodes = ["https://chacra.example/?a=b"]', "must end with the path"),
        ('chacra_nodes = ["https://chacra.example:0"]', "the port must be"),
        ('chacra_nodes = ["https://a b/"]', "host or host:port"),
        ('chacra_nodes = ["https://chacra.example", "http://Chacra.example/x"]', "chacra.example is there twice"),
        ("health_check_retries = 0", "health_check_retries"),
        ("[health]\ninterval = 0", "health.interval"),
        ("[health]\ntimeout = nan", "health.timeout"),
        ("[health]\nevery = 1", "every"),
    ],
)
def test_a_wrong_setting_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """The message names the file and what is wrong in it."""
    with pytest.raises(Invalid) as refused:
        load_text(tmp_path, text)
    assert str(tmp_path) in str(refused.value)
    assert fault in str(refused.value)
