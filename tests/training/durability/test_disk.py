"""A full disk pauses and goes on; other failures do not pause."""

import errno
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from training.durability import disk
from training.durability.disk import DiskPatience


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "LOOK_SECONDS", 0.01)


def failing(*numbers: int) -> Callable[[], int]:
    """Raises these errors in turn, then returns 7."""
    return Mock(side_effect=[*(OSError(number, "no room") for number in numbers), 7])


def test_a_write_is_tried_again_until_there_is_room(tmp_path: Path) -> None:
    said: list[str] = []
    patience, loop = DiskPatience(tmp_path, said.append, reserve=0), Mock(paused=0.0)
    patience.begin(loop)
    loop.stop.return_value = False
    assert patience.writing(failing()) == 7
    assert said == []
    assert patience.writing(failing(errno.ENOSPC, errno.EDQUOT, errno.ENOSPC)) == 7
    assert len(said) == 2
    assert said[0].startswith(f"warning: the disk of '{tmp_path}' is full (no room); training pauses")
    assert said[1].startswith("there is room on the disk again")
    assert loop.paused >= 0.03


def test_other_failures_and_a_stop_end_it(tmp_path: Path) -> None:
    patience = DiskPatience(tmp_path, lambda line: None, reserve=0)
    with pytest.raises(OSError, match="no room") as caught:
        patience.writing(failing(errno.ENOSPC, errno.EIO))
    assert caught.value.errno == errno.EIO
    patience.stop = lambda: True
    with pytest.raises(OSError, match="no room"):
        patience.writing(failing(errno.ENOSPC))


def test_room_is_kept_free(tmp_path: Path) -> None:
    DiskPatience(tmp_path, lambda line: None, reserve=1).room()
    patience = DiskPatience(tmp_path, lambda line: None, reserve=2**60)
    patience.stop = lambda: True
    with pytest.raises(OSError, match=r"MB are free, 1099511627776.0 are kept free"):
        patience.room()
