"""The signature of the search: one number that a change of speed leaves alone."""

import pytest

import zeromass

SIGNATURE = 165_045  # after a change of search or evaluation that is meant: what `zeromass benchmark signature` prints


def test_signature(capsys: pytest.CaptureFixture[str]) -> None:
    assert zeromass.main(["benchmark", "signature"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"signature {SIGNATURE}"
