"""A damaged journal is made anew: no crash on the way loses a file to it, or takes the new one for damaged later."""

import pytest

from tests.crash.checker import FOLDER
from tests.crash.recorder import Named, Recorder, strace_works
from tests.crash.search import Search, scratch

pytestmark = [
    pytest.mark.skipif(not strace_works(), reason="strace is missing or may not trace (apt-get install strace)"),
    pytest.mark.timeout(240),
]


def test_no_crash_while_a_journal_is_made_anew_breaks_a_rule() -> None:
    with scratch() as directory:
        root = directory / "root"
        root.mkdir()
        recorder = Recorder(root)
        told = recorder.run("tests.crash.scenario", "anew", str(root / FOLDER))
    assert {"kept a.jpg", "ok 1"} <= set(told)
    recording = recorder.recording
    assert "journal.damaged-1.db" in {each.name for each in recording.operations if isinstance(each, Named)}
    finding = Search(recording).all_states()
    assert finding.broken is None
    assert len(finding.passed) > 300
