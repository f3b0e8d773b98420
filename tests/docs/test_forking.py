"""A forked command is a command: its own folder, environment, input, outputs and exit code."""

import shutil

import forking
import pytest
import transcripts

SCRIPT = """
cd inner
export WHO=me
clearprop data list > listed.txt
echo "$? $(wc -l < listed.txt)"
clearprop doctor nobody 2> error.txt; echo "$? $(cat error.txt)"
clearprop --help | head -n 2
CLEARPROP_DATA=$PWD/here clearprop data list > /dev/null; echo $?
"""


@pytest.mark.skipif(not forking.SAFE or shutil.which("bash") is None, reason="commands are not forked here")
def test_it_gives_what_a_process_of_its_own_gives(tmp_path, monkeypatch):
    outputs = []
    for safe in (False, True):
        monkeypatch.setattr(forking, "SAFE", safe)
        folder = tmp_path / str(safe)
        (folder / "inner").mkdir(parents=True)
        outputs.append(transcripts.run([SCRIPT], folder))
        assert (folder / "inner" / "listed.txt").stat().st_size > 100
    assert outputs[0] == outputs[1]
    assert "2 error: doctor: unknown run or preset 'nobody'" in " ".join(outputs[1][0].split())
