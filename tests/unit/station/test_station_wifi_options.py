"""What a person decides about the Wi-Fi, from the command line to the settings."""

import pytest

from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from stack.station.cli.arguments import wifi_settings
from stack.station.cli.main import main, parser
from stack.station.exit_status import ExitStatus

VERBS = {
    "join": ["join", "--ssid", "DIRECT-ab", "--psk", "radiolab123"],
    "receive": ["receive", "--name", "NAS", "--into", "photos"],
}
with_every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@with_every_verb
def test_without_options_the_kernels_rules_hold_and_nothing_is_borrowed(verb: list[str]) -> None:
    assert wifi_settings(parser().parse_args(verb)) == DEFAULT_SETTINGS == WifiSettings(None, may_borrow=False)


@with_every_verb
def test_options(verb: list[str]) -> None:
    options = parser().parse_args([*verb, "--country", "de", "--borrow"])
    assert wifi_settings(options) == WifiSettings("DE", may_borrow=True)


@with_every_verb
@pytest.mark.parametrize("country", ["", "D", "DEU", "00", "D1", "ÄÖ", "D ", "DE\n"])
def test_what_is_no_country(verb: list[str], country: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*verb, "--country", country])
    assert ended.value.code == ExitStatus.USAGE
    assert "is not a country of two letters, such as DE" in capsys.readouterr().err
