"""What a command prints on stdout is the command's: programs read it."""

import pytest
import ray
from ray._private import worker

from cli.running_market import connect_to_ray


def test_what_ray_says_of_a_lost_node_does_not_get_between_a_commands_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"lines": ["The node has been marked dead"], "pid": "raylet", "is_err": False}
    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    # Its own thread does this with what the control service reports.
    monkeypatch.setattr(ray, "init", lambda **_: worker.print_to_stdstream(said, ignore_prefix=False))
    connect_to_ray("127.0.0.1:1", "market")
    out, err = capsys.readouterr()
    assert out == ""
    assert "The node has been marked dead" in err
