"""Bundles of generated clips: distances to the twin's dev clips, listeners, S_GEN."""

from __future__ import annotations

import json
import math
import shutil
import textwrap

import numpy as np
import pytest
import soundfile

from affectbench import CORPORA, TASKS, FeatureSet
from affectbench.corpora.exvo import EMOTIONS
from affectbench.errors import BadData, MissingData
from affectbench.generation import score_bundle
from affectbench.metrics import heep, s_gen, target_matrix

TASK = TASKS["exvo-generate"]
PER_EMOTION = 20


def open_levels():
    return lambda wave: np.array(
        [np.log(np.abs(wave.astype(float)).mean() + 1), np.log(len(wave)), np.sign(wave).mean()],
        np.float32,
    )


LEVELS = FeatureSet(
    name="levels",
    title="level, length, asymmetry",
    dim=3,
    names=lambda: ("level", "length", "asymmetry"),
    identity=lambda: {"version": "1"},
    open=open_levels,
)


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    return CORPORA["hume-vocalburst"].twin(
        tmp_path_factory.mktemp("twin") / "twin", scale=0.004, workers=1
    )


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Noise of one length for each emotion: as far from a burst as can be."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for emotion in EMOTIONS:
        (folder / emotion).mkdir()
        for number in range(PER_EMOTION):
            wave = 0.1 * rng.standard_normal(3_000)
            soundfile.write(folder / emotion / f"{emotion}_{number:03d}.wav", wave, 16_000)
    return folder


@pytest.fixture(scope="module")
def real(twin, tmp_path_factory):
    """Train clips of the twin, the strongest of each emotion."""
    folder = tmp_path_factory.mktemp("real")
    clips = CORPORA["hume-vocalburst"].read(twin).clips
    train = clips.filter(clips["part"] == "train")
    for emotion in EMOTIONS:
        (folder / emotion).mkdir()
        chosen = train.sort(emotion, "clip", descending=True)["path"].head(PER_EMOTION)
        for number, path in enumerate(chosen):
            shutil.copy(path, folder / emotion / f"{emotion}_{number:03d}.wav")
    return folder


def score(folder, twin, **options):
    return score_bundle(folder, TASK, twin, LEVELS, per_emotion=PER_EMOTION, **options)


def write_ratings(path, clips):
    lines = [",".join(("clip", *EMOTIONS))]
    lines += [",".join([name, *(f"{value:.3f}" for value in row)]) for name, row in clips]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_real_bursts_are_nearer_than_noise(twin, real, noise):
    near, far = score(real, twin), score(noise, twin)
    known = [emotion for emotion, clips in near.reference.items() if clips >= 5]
    assert known
    for emotion in known:
        distance = near.scores["frechet.sound"][emotion]
        assert 0 <= distance.low < distance.value < distance.high
        assert distance.high < far.scores["frechet.sound"][emotion].value
        assert near.kernel[emotion] < far.kernel[emotion]
    for emotion, clips in near.reference.items():
        if clips < 2:
            assert math.isnan(near.scores["frechet.sound"][emotion].value)
    again = score(real, twin)
    assert again.scores["frechet.sound"][known[0]] == near.scores["frechet.sound"][known[0]]
    assert any("not on the scale of Table 6b" in note for note in near.notes)


def test_without_listeners_heep_and_s_gen_are_undefined(twin, noise):
    found = score(noise, twin)
    assert found.rated == 0
    for key in ("heep.matrix", "heep.means", "s_gen.mean", "s_gen.published"):
        told = found.scores[key][""]
        assert math.isnan(told.value)
        assert math.isnan(told.low)
        assert told.groups == 0
    assert all(math.isnan(told.value) for told in found.scores["s_gen"].values())
    assert "Nobody has listened" in found.notes[-1]


def test_ratings_are_averaged_over_listeners_and_enter_s_gen(twin, noise, tmp_path):
    rng = np.random.default_rng(1)
    names = [f"{e}/{e}_{number:03d}.wav" for e in EMOTIONS for number in range(PER_EMOTION)]
    meant = np.repeat(np.arange(10), PER_EMOTION)
    first, second = (rng.random((len(names), 10)).round(3) for _ in range(2))
    heard = (first + second) / 2
    ratings = write_ratings(
        tmp_path / "ratings.csv",
        [*zip(names, first, strict=True), *zip(names, second, strict=True)],
    )
    found = score(noise, twin, ratings=ratings)
    target = target_matrix(meant, 10)
    assert found.rated == len(names)
    assert found.scores["heep.matrix"][""].value == pytest.approx(float(heep(target, heard)))
    by_emotion = heep(target, heard, variant="column")
    assert [s.value for s in found.scores["heep.column"].values()] == pytest.approx(by_emotion)
    distances = [found.scores["frechet.sound"][emotion].value for emotion in EMOTIONS]
    assert any(math.isfinite(distance) for distance in distances)
    told = found.scores["s_gen.mean"][""]
    assert told.value == pytest.approx(s_gen(distances, by_emotion))
    assert told.low < told.value < told.high
    assert (told.method, told.groups, told.clips) == ("jackknife", 20, len(names))


def test_one_emotion_alone_leaves_the_others_undefined(twin, noise, tmp_path):
    shutil.copytree(noise / "Awe", tmp_path / "one" / "Awe")
    found = score(tmp_path / "one", twin)
    assert found.scores["frechet.sound"]["Awe"].value > 0
    assert math.isnan(found.scores["frechet.sound"]["Fear"].value)
    assert list(found.kernel) == list(found.extrapolated) == ["Awe"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("Awe/Awe_999.wav", [0.5] * 10), "row 2: clip is 'Awe/Awe_999.wav'"),
        (("Awe/Awe_000.wav", [50] * 10), "row 2: Awe is '50.000', expected a number from 0 to 1"),
    ],
)
def test_wrong_ratings_are_refused_by_row(twin, noise, tmp_path, row, said):
    ratings = write_ratings(tmp_path / "ratings.csv", [row])
    with pytest.raises(BadData, match=said):
        score(noise, twin, ratings=ratings)


def test_a_corpus_without_emotions_or_strongest_clips_is_refused(noise, avb, tmp_path):
    with pytest.raises(BadData, match="no dev clip has a label of 1"):
        score(noise, avb)
    for name in ("high", "two", "culture"):
        (avb / f"labels/{name}_info.csv").unlink()
    with pytest.raises(MissingData, match="no labels of emotions"):
        score(noise, avb)


def test_the_command_line_scores_a_bundle(call, twin, tmp_path):
    (tmp_path / "levels.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from affectbench import FeatureSet

            def open_levels():
                return lambda wave: np.array([np.abs(wave).mean(), len(wave)], np.float32)

            LEVELS = FeatureSet(
                name="levels", title="level, length", dim=2, names=lambda: ("level", "length"),
                identity=lambda: {"version": "2"}, open=open_levels,
            )
            """
        )
    )
    rng = np.random.default_rng(2)
    (tmp_path / "clips").mkdir()
    for number in range(100):
        wave = 0.1 * rng.standard_normal(2_000)
        soundfile.write(tmp_path / "clips" / f"Awe_{number:03d}.wav", wave, 16_000)
    command = ("score", "exvo-generate", tmp_path / "clips", "--labels", twin)
    code, out, err = call(*command, "--features", f"{tmp_path / 'levels.py'}:LEVELS")
    assert (code, err) == (0, "")
    assert "Fréchet" in out
    assert "s_gen.mean         n/a" in out
    code, out, _ = call(*command, "--features", f"{tmp_path / 'levels.py'}:LEVELS", "--json")
    assert json.loads(out)["scores"]["frechet.sound"]["Fear"]["value"] is None
    code, _, err = call("run", "exvo-generate", "--system", "egemaps-svm", "--data", twin)
    assert code == 2
    assert "affectbench score exvo-generate FOLDER" in err
