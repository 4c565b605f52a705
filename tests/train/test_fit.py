"""The loop: a run that was cut goes on, a run that fails keeps what it had, the best state is kept beside the last."""

import errno
import importlib
import json
import math
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import genart_hub
from genart_hub import files
from genart_hub.data import Batches, Pictures
from genart_hub.errors import GenartError
from genart_hub.hub import HubModel
from genart_hub.train import Noise, Run, Settings, fit, fit_steps

LINEAR = Settings(epochs=1, batch_size=1, lr=1.0, schedule="linear")


class Scalar(nn.Module, HubModel):
    """One weight, which a test sets by hand."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Counted:
    """Batches that are their own number."""

    batch_size = 1

    def __getitem__(self, step):
        return (step,)

    def part(self, step, part):
        return (step, part)


def scalar_run(folder, **options):
    model = Scalar()
    return Run(folder, model, {"model": torch.optim.SGD(model.parameters(), lr=0.5)}, **options)


def fit_scalar(run, step, num_steps, **options):
    return fit(step, Counted(), num_steps, run, progress=False, **options)


def idle(k, noise):
    return {"loss": 0.0}


def lines_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


# ---- cut and resumed ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_step_saves_and_gives_the_handlers_back(tmp_path, number):
    def step(k, noise):
        if k == 2:
            os.kill(os.getpid(), number)
        return {"loss": 0.0}

    run, before = scalar_run(tmp_path), signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        fit_scalar(run, step, 10)
    again = scalar_run(tmp_path)
    again.load()
    assert again.step == 3
    assert signal.getsignal(number) is before


def test_the_steps_of_a_run_are_seen_one_by_one_and_the_last_numbers_come_back(tmp_path):
    last = []

    def steps():
        last.append((yield from fit_steps(lambda k, noise: {"loss": 2.0 * k}, Counted(), 3, scalar_run(tmp_path), progress=False)))

    assert list(steps()) == [(1, {"loss": 0.0}), (2, {"loss": 2.0}), (3, {"loss": 4.0})]
    assert last == [{"loss": 4.0}]


def test_a_run_is_whole_on_disk_at_its_last_step(tmp_path):
    for step, _ in fit_steps(idle, Counted(), 3, scalar_run(tmp_path), progress=False):
        assert (tmp_path / "model.safetensors").exists() == (step == 3)


@pytest.mark.parametrize("leave", ["close", "throw"])
def test_closing_the_steps_saves_the_run_and_gives_the_handlers_back(leave, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    steps = fit_steps(idle, Counted(), 10, scalar_run(tmp_path), progress=False)
    for _ in range(4):
        next(steps)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    if leave == "close":
        steps.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            steps.throw(KeyboardInterrupt)
    again = scalar_run(tmp_path)
    again.load()
    assert again.step == 4
    assert signal.getsignal(signal.SIGINT) is before


def test_a_step_that_fails_saves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fit_scalar(scalar_run(tmp_path), lambda k, noise: {"loss": 1 / (3 - k)}, 10)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_weights_that_are_no_numbers_are_not_saved_by_leaving(tmp_path):
    run = scalar_run(tmp_path)
    steps = fit_steps(lambda k, noise: {"loss": run.model.weight.data.fill_(math.nan)}, Counted(), 1000, run, progress=False)
    next(steps)
    with pytest.raises(GenartError, match="not a number at step 1, before anything was saved"):
        steps.close()
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_the_time_that_who_watches_takes_is_not_that_of_the_run(tmp_path, monkeypatch):
    clock, run = Clock(monkeypatch), scalar_run(tmp_path)
    for _ in fit_steps(lambda k, noise: clock.wait(1.0, {"loss": 0.0}), Counted(), 3, run, progress=False):
        clock.wait(100.0)
    assert run.seconds == 3.0


def test_a_run_goes_on_in_another_thread_with_the_same_arithmetic(tmp_path):
    def step(k, noise):
        return {"loss": torch.tensor([1e-38]) * 1e-2}  # a denormal number, which is taken for 0

    steps = fit_steps(step, Counted(), 2, scalar_run(tmp_path), progress=False)
    with ThreadPoolExecutor(1) as pool:
        numbers = [next(steps)[1], pool.submit(next, steps).result()[1]]
    assert [float(each["loss"]) for each in numbers] == [0.0, 0.0]


def test_seconds_and_steps_add_up_over_a_resumed_run(tmp_path):
    def step(k, noise):
        time.sleep(0.01)
        return {"loss": 1.0 * k}

    fit_scalar(scalar_run(tmp_path), step, 3)
    run = scalar_run(tmp_path)
    run.load()
    assert fit_scalar(run, step, 5) == {"loss": 4.0}
    assert (run.step, run.seconds >= 0.05) == (5, True)
    assert [(line["step"], line["loss"]) for line in lines_of(tmp_path)] == [(k + 1, 1.0 * k) for k in range(5)]


def test_what_was_logged_after_the_checkpoint_is_dropped_when_the_run_goes_on(tmp_path):
    fit_scalar(scalar_run(tmp_path), idle, 3, log_every=1)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "seconds": 1.0, "loss": 9.0}\n')
    run = scalar_run(tmp_path)
    run.load()
    fit_scalar(run, idle, 5, log_every=1)
    assert [(line["step"], line["loss"]) for line in lines_of(tmp_path)] == [(k, 0.0) for k in range(1, 6)]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_an_optimizers_state_comes_back_to_the_bit_in_the_format_of_its_weights(memory_format, tmp_path):
    def run_of(layer):
        adam = torch.optim.Adam([*layer.parameters(), torch.ones((), requires_grad=True)], fused=True)
        model = nn.Sequential(layer)
        model.save_pretrained = lambda folder: None
        return Run(tmp_path, model, {"model": adam})

    layer = nn.Conv2d(3, 4, 3).to(memory_format=memory_format)
    run, again = run_of(layer), run_of(nn.Conv2d(3, 4, 3).to(memory_format=memory_format))
    for parameter in run.optimizers["model"].param_groups[0]["params"]:  # a scalar among them, as its own step count is
        parameter.grad = torch.randn_like(parameter)
    run.optimizers["model"].step()
    run.save()
    again.load()
    before, after = (each.optimizers["model"].state_dict()["state"] for each in (run, again))
    assert before.keys() == after.keys() == {0, 1, 2}
    assert all(torch.equal(before[k][name], after[k][name]) for k in before for name in ("step", "exp_avg", "exp_avg_sq"))
    assert after[0]["exp_avg"].is_contiguous(memory_format=memory_format)


# ---- failing ----


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    run = scalar_run(tmp_path)

    def step(k, noise):
        run.model.weight.data.fill_(k if k < 4 else float("nan"))
        return {"loss": run.model.weight.detach().clone()}

    with pytest.raises(GenartError) as error:
        fit_scalar(run, step, 20, save_minutes=0, log_every=10)
    assert error.value.code == "diverged"
    assert error.value.values["saved"] == 4
    assert load_file(tmp_path / "checkpoint.safetensors")["model.weight"].tolist() == [3.0]


def test_weights_that_are_no_numbers_are_never_saved_over_a_good_checkpoint(tmp_path):
    run = scalar_run(tmp_path)

    def step(k, noise):  # the loss of step k is measured before its update
        loss = run.model.weight.detach().clone()
        run.model.weight.data.fill_(k if k < 4 else float("nan"))
        return {"loss": loss}

    with pytest.raises(GenartError) as error:
        fit_scalar(run, step, 20, save_minutes=0, log_every=10)
    assert error.value.code == "diverged"
    assert load_file(tmp_path / "checkpoint.safetensors")["model.weight"].tolist() == [3.0]


def test_weights_that_are_no_numbers_are_never_the_best(tmp_path):
    run = scalar_run(tmp_path)

    def step(k, noise):
        run.model.weight.data.fill_(k if k < 4 else float("nan"))
        return {"loss": 0.0}

    with pytest.raises(GenartError) as error:
        fit_scalar(run, step, 60, log_every=100, look_every=2, score=lambda model: -model.weight.item())
    assert (error.value.code, error.value.values["step"]) == ("diverged", 6)
    assert Scalar.from_pretrained(tmp_path / "best").weight.item() == 3.0


def test_a_run_that_diverges_in_its_last_step_publishes_nothing(tmp_path):
    run = scalar_run(tmp_path)
    with pytest.raises(GenartError) as error:
        fit_scalar(run, lambda k, noise: {"loss": float("inf") if k == 2 else 0.0}, 3)
    assert error.value.code == "diverged_at_once"
    assert not (tmp_path / "model.safetensors").exists()


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    run = scalar_run(tmp_path)
    fit_scalar(run, idle, 2)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.safetensors")}

    def full(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "save_file", full)
    with pytest.raises(GenartError, match="No space left on device") as error:
        fit_scalar(run, idle, 4)
    assert error.value.code == "cannot_write"
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.safetensors")} == before
    assert [file for file in tmp_path.iterdir() if file.name.startswith(".")] == []


# ---- average and learning rate ----


@pytest.mark.parametrize(("decay", "shares"), [(0.998, (2 / 11, 3 / 12)), (0.2, (2 / 11, 0.2)), (0.1, (0.1, 0.1))])
def test_the_average_starts_at_the_first_weights_and_keeps_more_and_more_of_itself_up_to_its_decay(decay, shares, tmp_path):
    run = scalar_run(tmp_path, ema_decay=decay)

    def step(k, noise):
        run.model.weight.data.fill_([1.0, 3.0, -5.0][k])
        return {"loss": 0.0}

    fit_scalar(run, step, 3)
    second = shares[0] * 1.0 + (1 - shares[0]) * 3.0
    assert run.averaged.weight.item() == pytest.approx(shares[1] * second + (1 - shares[1]) * -5.0)
    assert run.model.weight.item() == -5.0


def test_the_average_of_a_resumed_run_goes_on_where_it_was(tmp_path):
    def step(run, k, noise):
        run.model.weight.data.fill_([1.0, 3.0, -5.0, 2.0][k])
        return {"loss": 0.0}

    averages = []
    for stops in ((4,), (2, 4)):
        folder = tmp_path / str(len(stops))
        for count in stops:
            run = scalar_run(folder, ema_decay=0.9)
            if count != stops[0]:
                run.load()
            fit_scalar(run, partial(step, run), count)
        averages.append(run.averaged.weight.item())
    assert averages[0] == averages[1]


def test_the_average_takes_the_buffers_too_and_counts_stay_whole(tmp_path):
    model = nn.BatchNorm1d(1)
    model.save_pretrained = lambda folder: None
    run = Run(tmp_path, model, {}, ema_decay=0.1)

    def step(k, noise):
        model.running_mean.fill_([2.0, 4.0][k])
        model.num_batches_tracked.fill_([7, 8][k])
        return {"loss": 0.0}

    fit_scalar(run, step, 2)
    assert run.averaged.running_mean.item() == pytest.approx(3.8)
    assert run.averaged.num_batches_tracked.item() == 8


def test_the_learning_rate_follows_the_schedule_also_where_a_run_goes_on(tmp_path):
    seen = []

    def step(run, k, noise):
        seen.append(run.optimizers["model"].param_groups[0]["lr"])
        if k == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"loss": 0.0}

    run = scalar_run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit_scalar(run, partial(step, run), 8, schedule=LINEAR.rate)
    run = scalar_run(tmp_path)
    run.load()
    fit_scalar(run, partial(step, run), 8, schedule=LINEAR.rate)
    assert seen == [0.5] * 5 + [0.375, 0.25, 0.125]


# ---- noise and parts ----


def test_the_noise_of_a_step_depends_on_the_seed_and_its_number_alone(tmp_path):
    drawn = []

    def step(k, noise):
        drawn.append(noise.normal(3).tolist())
        return {"loss": 0.0}

    fit_scalar(None, step, 4, seed=9)
    assert drawn == [Noise(9, k).normal(3).tolist() for k in range(4)]
    assert len({tuple(numbers) for numbers in drawn}) == 4


def test_an_accumulated_step_sees_every_part_once_with_its_own_noise_and_logs_the_mean(tmp_path):
    seen = []

    def step(k, part, noise):
        seen.append((k, part, noise.part, noise.parts, noise.step))
        return {"loss": 1.0 * part}

    assert fit_scalar(None, step, 2, accumulate=3) == {"loss": 1.0}
    assert seen == [(k, part, part, 3, k) for k in range(2) for part in range(3)]


class Process:
    """What `fit` asks of accelerate, for one of two processes."""

    num_processes, device = 2, "cpu"

    def __init__(self, process_index):
        self.process_index = process_index

    def accumulate(self, *networks):
        return nullcontext()

    def reduce(self, value, reduction):
        return value


def test_two_processes_that_accumulate_see_every_part_once_between_them(tmp_path):
    seen = []
    for rank in (0, 1):
        step = lambda k, part, noise, rank=rank: seen.append((k, rank, part, noise.part, noise.parts)) or {"loss": torch.zeros(())}  # noqa: E731
        fit_scalar(scalar_run(tmp_path / str(rank)), step, 2, accumulate=3, accelerator=Process(rank))
    assert sorted((k, part) for k, _, part, _, _ in seen) == [(k, part) for k in range(2) for part in range(6)]
    assert all(part == of_noise and parts == 6 and part % 2 == rank for _, rank, part, of_noise, parts in seen)


def test_only_the_first_of_two_processes_tells_a_tracker(tmp_path):
    for rank, calls in ((0, ["start", "log", "finish"]), (1, [])):
        tracker = Mock()
        step = lambda k, part, noise: {"loss": torch.zeros(())}  # noqa: E731
        fit_scalar(scalar_run(tmp_path / str(rank)), step, 1, accelerator=Process(rank), trackers=[tracker])
        assert [name for name, *_ in tracker.method_calls] == calls


# ---- looks, the best state, and what is said of a run ----


def test_the_best_state_is_that_of_the_lowest_score_and_loads(tmp_path):
    run = scalar_run(tmp_path)

    def step(k, noise):
        run.model.weight.data.fill_(k + 1.0)
        return {"loss": 0.0}

    fit_scalar(run, step, 9, look_every=2, score=lambda model: (model.weight.item() - 5) ** 2)
    assert run.best == {"step": 4, "score": 1.0}  # and not that of step 6, which is as good
    assert Scalar.from_pretrained(tmp_path / "best").weight.item() == 4.0
    assert [(line["step"], line["score"]) for line in lines_of(tmp_path) if "score" in line] == [(2, 9), (4, 1), (6, 1), (8, 9), (9, 16)]


def test_the_average_is_what_is_looked_at_and_kept_as_the_best(tmp_path):
    run, seen = scalar_run(tmp_path, ema_decay=0.1), []

    def step(k, noise):
        run.model.weight.data.fill_([1.0, 3.0][k])
        return {"loss": 0.0}

    fit_scalar(run, step, 2, look_every=1, score=lambda model: seen.append(model.weight.item()) or -model.weight.item())
    assert seen == pytest.approx([1.0, 2.8])
    assert Scalar.from_pretrained(tmp_path / "best").weight.item() == pytest.approx(2.8)


def test_a_resumed_run_keeps_its_best_until_a_better_one_comes(tmp_path):
    run = scalar_run(tmp_path)
    fit_scalar(run, idle, 2, look_every=1, score=lambda model: 7.0 - run.step)
    for score, step in ((5.0, 2), (4.5, 5)):
        again = scalar_run(tmp_path)
        again.load()
        assert again.best == {"step": 2, "score": 5.0}
        again.model.weight.data.fill_(score)
        fit_scalar(again, idle, again.step + 1 if step == 2 else 5, look_every=10, score=lambda model, score=score: score)
        assert again.best["step"] == step
        assert Scalar.from_pretrained(tmp_path / "best").weight.item() == (0.0 if step == 2 else 4.5)


def test_a_score_that_is_no_number_is_never_the_best(tmp_path):
    run, scores = scalar_run(tmp_path), iter([math.nan, 3.0, math.nan])
    fit_scalar(run, idle, 3, look_every=1, score=lambda model: next(scores))
    assert run.best == {"step": 2, "score": 3.0}


@pytest.mark.parametrize(("margin", "step"), [(0.0, 2), (0.05, 3), (0.3, 4)])
def test_within_the_margin_of_the_lowest_score_the_latest_state_is_the_best(margin, step, tmp_path):
    run, scores = scalar_run(tmp_path), iter([9.0, 10.0 / 11, 0.94, 1.17, 9.0])  # each within 0.3 of the lowest, but for the first and last
    fit_scalar(run, idle, 5, look_every=1, score=lambda model: next(scores), margin=margin)
    assert run.best["step"] == step


def test_a_margin_is_of_the_lowest_score_and_does_not_creep(tmp_path):
    run, scores = scalar_run(tmp_path), iter([-100.0, -96.0, -92.0])
    fit_scalar(run, idle, 2, look_every=1, score=lambda model: next(scores), margin=0.05)
    again = scalar_run(tmp_path)
    again.load()
    fit_scalar(again, idle, 3, look_every=1, score=lambda model: next(scores), margin=0.05)
    assert (again.best["step"], again.lowest) == (2, -100.0)


class Clock:
    """A clock that goes as far as it is told."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(importlib.import_module("genart_hub.train.loop").time, "perf_counter", lambda: self.now)

    def wait(self, seconds, answer=None):
        self.now += seconds
        return answer


@pytest.mark.slow
@pytest.mark.budget
@pytest.mark.parametrize("cuts", [(1000,), (400, 700, 1000)])
def test_looks_take_less_than_a_tenth_of_a_run_and_its_end_is_scored(cuts, tmp_path, monkeypatch):
    clock, scored, black = Clock(monkeypatch), [], torch.zeros(1, 1, 2, 2) - 1
    for num_steps in cuts:
        run = scalar_run(tmp_path)
        if num_steps != cuts[0]:
            run.load()
        looks = {"draw": lambda model: clock.wait(2.0, black), "score": lambda model: clock.wait(12.0, scored.append(run.step) or 1.0)}  # noqa: B023
        fit_scalar(run, lambda k, noise: clock.wait(1.0, {"loss": 0.0}), num_steps, look_every=50, **looks)
    assert run.looked == 2.0 * len(list((tmp_path / "samples").iterdir())) + 12.0 * len(scored) <= 0.1 * clock.now
    assert scored[-1] == 1000
    assert 3 <= len(scored) <= 8
    assert min(scored) >= 500


@pytest.mark.budget
def test_a_short_run_is_looked_at_at_its_end(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    looks = {"draw": lambda model: clock.wait(0.5, torch.zeros(1, 1, 2, 2)), "score": lambda model: pytest.fail("of a run of 36 steps")}
    fit_scalar(scalar_run(tmp_path), lambda k, noise: clock.wait(0.1, {"loss": 0.0}), 36, look_every=2, **looks)
    assert [file.name for file in (tmp_path / "samples").iterdir()] == ["step-00000036.png"]


@pytest.mark.parametrize(("num_steps", "lines"), [(7, 7), (36, 36), (399, 21), (2100, 21), (5000, 50)])
def test_a_run_logs_at_least_twenty_lines_or_one_a_step(num_steps, lines, tmp_path):
    fit_scalar(scalar_run(tmp_path), idle, num_steps)
    assert len(lines_of(tmp_path)) == lines
    assert lines_of(tmp_path)[-1]["step"] == num_steps


def test_a_look_draws_the_same_seeds_each_time_from_the_average_and_says_how_varied_they_are(gan, tmp_path):
    pictures = Pictures(
        torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)), None, Path("x")
    )
    run = Run(tmp_path, gan.train(), {}, ema_decay=0.5)
    fit(lambda x, noise: {"loss": 0.0}, Batches(pictures, 4), 5, run, progress=False, look_every=2)
    first, second, last = sorted((tmp_path / "samples").iterdir())
    assert [file.name for file in (first, second, last)] == [f"step-{k:08d}.png" for k in (2, 4, 5)]
    assert first.read_bytes() == second.read_bytes() == last.read_bytes()
    x_hat, x = genart_hub.from_pretrained(tmp_path).sample(64, seed=0), pictures.images()
    expected = x_hat.var(0).sum() / x.var(0).sum()
    assert lines_of(tmp_path)[-1]["spread"] == pytest.approx(expected.item(), rel=1e-4)
    assert run.model.training


def test_a_failing_gan_is_told_once_and_into_the_log(tmp_path, capsys):
    def step(k, noise):
        return {"d_loss": 0.01, "g_loss": 9.0, "d_accuracy": 1.0}

    fit_scalar(scalar_run(tmp_path), step, 12, log_every=1)
    assert capsys.readouterr().err.count("The discriminator has won") == 1
    assert [line for line in lines_of(tmp_path) if "diagnosis" in line] == [
        {"step": 6, "seconds": lines_of(tmp_path)[6]["seconds"], "diagnosis": "discriminator_won"}
    ]


def test_a_run_that_goes_on_does_not_say_the_same_again(tmp_path, capsys):
    def step(k, noise):
        return {"d_loss": 0.01, "g_loss": 9.0, "d_accuracy": 1.0}

    fit_scalar(scalar_run(tmp_path), step, 6, log_every=1)
    run = scalar_run(tmp_path)
    run.load()
    capsys.readouterr()
    fit_scalar(run, step, 9, log_every=1)
    assert capsys.readouterr().err == ""
    assert [line["step"] for line in lines_of(tmp_path) if "diagnosis" in line] == [5]


def test_a_discriminator_at_accuracy_1_is_told_in_a_run_of_36_steps(tmp_path, capsys):
    fit_scalar(scalar_run(tmp_path), lambda k, noise: {"d_loss": 0.3, "g_loss": 1.7, "d_accuracy": 1.0}, 36)
    assert capsys.readouterr().err.count("The discriminator is at accuracy 1.00") == 1


def test_a_healthy_run_is_left_in_peace(tmp_path, capsys):
    fit_scalar(scalar_run(tmp_path), lambda k, noise: {"d_loss": 1.3, "g_loss": 0.8, "d_accuracy": 0.6}, 12, log_every=1)
    assert capsys.readouterr().err == ""
    assert len(lines_of(tmp_path)) == 12
