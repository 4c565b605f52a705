"""Recorded trainings: what ships is whole, and the command that makes them looks where it says."""

import json

import pytest
from PIL import Image

from genart_hub.ui import film, film_texts, recordings
from genart_hub.ui.recordings.looks import PICTURES
from genart_hub.ui.recordings.record import MOMENTS, VARIANTS, moments_of, record


@pytest.mark.parametrize("name", recordings.NAMES)
def test_a_recording_ships_with_its_sheet_and_a_number_for_each_moment(name):
    recording = recordings.read(name)
    assert recording is not None
    assert recording.steps == moments_of(VARIANTS[name].updates)
    for values in [*recording.numbers.values(), *recording.bars.values()]:
        assert len(values) == MOMENTS
    with Image.open(recording.file) as sheet:
        assert sheet.size == (MOMENTS * recording.side, recording.pictures * recording.side)
    assert recording.file.stat().st_size + recording.file.with_suffix(".json").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", recordings.NAMES)
def test_every_recording_tells_what_there_is_to_see_in_both_languages(name):
    recording = recordings.read(name)
    steps = [note[0] for note in film_texts.NOTES[name]]
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert steps[-1] <= recording.steps[-1]
    for k in range(2):
        words = json.loads(film_texts.words_of(name, k))
        assert all(text for _, text in words["notes"])
        assert {*film.CURVES[recording.family], *recording.bars} <= set(words)


def test_moments_are_close_together_at_first_and_end_with_the_last_update():
    moments = moments_of(9_000)
    assert moments == sorted(set(moments))
    assert (len(moments), moments[0], moments[-1]) == (MOMENTS, 0, 9_000)
    assert moments[1] - moments[0] < moments[-1] - moments[-2]


@pytest.mark.parametrize("name", ["gan-r1", "vae"])
def test_a_training_is_recorded_from_before_its_first_update_on(name, noisy):
    recording, sheet = record(name, many(noisy), updates=MOMENTS)
    assert recording.steps == moments_of(MOMENTS)
    assert sheet.size == (MOMENTS * 8, PICTURES * 8)
    assert set(recording.bars) == ({"real", "made"} if name == "gan-r1" else {"nats"})
    assert all(len(values) == MOMENTS for values in recording.numbers.values())


def many(folder):
    """The pictures of a folder often enough for a batch."""
    for k, file in enumerate(list(folder.glob("*.png")) * 7):
        (folder / f"again-{k}.png").write_bytes(file.read_bytes())
    return folder


def test_a_name_that_is_no_recording_is_none():
    assert recordings.read("../gan") is None
