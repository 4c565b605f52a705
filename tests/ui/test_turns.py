"""Who works next, who is refused, and who is dropped."""

import threading
import time
from functools import partial

import pytest
from refusals import code_of

from genart_hub.errors import GenartError
from genart_hub.ui import turns
from genart_hub.ui.turns import Reader, Streams, Turns


@pytest.fixture
def line():
    """One turn at a time, in which nobody tells which streams are open."""
    return Turns(limit=60, streams=Streams())


def start(call, *arguments) -> threading.Thread:
    thread = threading.Thread(target=call, args=arguments, daemon=True)
    thread.start()
    return thread


def until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def begin(line: Turns, calls: list) -> list[threading.Thread]:
    """Threads of these calls, each begun once the one before it stands in the line."""
    threads = []
    for call in calls:
        threads.append(start(call))
        until(lambda: len(line.line) == len(threads))
    return threads


def order_of(line: Turns, readers: list[Reader]) -> list[str]:
    """The pages in the order in which their jobs work, when all came while another one was at work."""
    worked = []

    def work(reader):
        with line.job(reader):
            worked.append(reader.page)

    with line.job(Reader("somebody", "else")):
        threads = begin(line, [partial(work, reader) for reader in readers])
    for thread in threads:
        thread.join(10)
    return worked


def test_one_job_is_at_work_at_a_time(line):
    at_work, most = [], []

    def work(page):
        with line.job(Reader("a", page)):
            at_work.append(page)
            most.append(len(at_work))
            time.sleep(0.01)
            at_work.remove(page)

    for thread in [start(work, str(k)) for k in range(10)]:
        thread.join(10)
    assert most == [1] * 10


def test_jobs_of_one_page_come_in_their_order(line):
    worked, page = [], Reader("a", "page")

    def work(number):
        with line.job(page):
            worked.append(number)

    with line.job(Reader("b", "other")):
        threads = begin(line, [partial(work, number) for number in range(5)])
    for thread in threads:
        thread.join(10)
    assert worked == [0, 1, 2, 3, 4]


def test_a_new_address_goes_before_the_second_job_of_an_old_one(line):
    greedy = [Reader("greedy", f"page {k}") for k in range(5)]
    worked = order_of(line, [*greedy, Reader("other", "mine")])
    assert worked.index("mine") <= 1


def test_pages_of_an_address_share_its_turns(line):
    readers = [Reader("school", "1"), Reader("school", "1"), Reader("school", "2"), Reader("home", "3"), Reader("home", "3")]
    worked = order_of(line, readers)
    assert sorted(worked[:2]) == ["1", "3"]
    assert sorted(worked[2:4]) == ["2", "3"]


def test_who_was_away_for_long_does_not_go_before_those_who_wait(line):
    with line.job(Reader("idle", "0")):
        pass
    with line.job(Reader("busy", "1")):
        pass
    assert order_of(line, [Reader("busy", "1"), Reader("idle", "0")]) == ["1", "0"]


def test_a_page_has_a_few_jobs_and_an_address_some_more(line):
    page, rest = Reader("a", "page"), [Reader("a", str(k)) for k in range(turns.OF_ADDRESS)]
    for _ in range(turns.OF_PAGE):
        line.enter(page)
    assert code_of(lambda: line.enter(page)) == "too_many_jobs"
    for reader in rest[: turns.OF_ADDRESS - turns.OF_PAGE]:
        line.enter(reader)
    assert code_of(lambda: line.enter(rest[-1])) == "too_many_jobs"
    for k in range(turns.OF_ALL - turns.OF_ADDRESS):
        line.enter(Reader(f"other {k}", ""))
    assert code_of(lambda: line.enter(Reader("new", ""))) == "too_busy"


def test_a_job_that_ends_makes_room(line):
    for _ in range(3 * turns.OF_PAGE):
        with line.job(Reader("a", "page")):
            pass
    assert (line.jobs, line.line, line.at_work) == ([], [], 0)


def test_a_job_begins_when_its_stream_is_opened(line):
    worked = threading.Event()

    def work():
        with line.job(Reader("a", "page", ("page",))):
            worked.set()

    thread = start(work)
    until(lambda: line.line)
    assert not worked.wait(0.1)
    with line.streams.open("page"):
        thread.join(10)
    assert worked.is_set()


@pytest.mark.slow
def test_a_job_that_nobody_listens_for_keeps_nobody_waiting_and_is_dropped(line, monkeypatch):
    monkeypatch.setattr(turns, "DROPPED_AFTER", 0.3)
    begun = time.monotonic()
    dropped = []
    thread = start(lambda: dropped.append(code_of(lambda: line.job(Reader("a", "page", ("page",))).__enter__())))
    until(lambda: line.line)
    with line.job(Reader("b", "other")):
        assert time.monotonic() - begun < 0.3
    thread.join(10)
    assert dropped == ["nobody_listens"]
    assert not line.jobs


def test_jobs_that_nobody_listens_for_make_room_for_others_of_their_address(line, monkeypatch):
    monkeypatch.setattr(turns, "DROPPED_AFTER_IF_FULL", 3600)
    unopened = [Reader("a", str(k), (str(k),)) for k in range(turns.OF_ADDRESS)]
    threads = [start(lambda reader=reader: code_of(lambda: line.job(reader).__enter__())) for reader in unopened]
    until(lambda: len(line.line) == turns.OF_ADDRESS)
    assert code_of(lambda: line.enter(Reader("a", "mine"))) == "too_many_jobs"
    monkeypatch.setattr(turns, "DROPPED_AFTER_IF_FULL", 0)
    with line.job(Reader("a", "mine")):
        pass
    for thread in threads:
        thread.join(10)
    assert not line.jobs


def test_a_step_after_the_limit_ends_the_job():
    line = Turns(limit=60, streams=Streams())
    with line.job(Reader("a", "page")):
        turns.between_steps()
        line.limit = 0
        assert code_of(turns.between_steps) == "job_too_long"


def test_the_limit_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("GENART_JOB_SECONDS", "1.5")
    assert Turns(streams=Streams()).limit == 1.5


def test_time_in_line_does_not_count_for_the_limit(line, monkeypatch):
    monkeypatch.setattr(turns, "SLICE", 0)

    def work():
        with line.job(Reader("b", "other")):
            time.sleep(0.3)

    with line.job(Reader("a", "page")) as job:
        thread = start(work)
        until(lambda: line.line)
        begun = time.monotonic()
        job.between_steps()
        assert time.monotonic() - begun >= 0.3
        assert job.spent < 0.3
    thread.join(10)


@pytest.mark.slow
def test_a_long_stream_makes_room_between_two_updates(line, monkeypatch):
    monkeypatch.setattr(turns, "SLICE", 0.05)
    stream = line.stream(Reader("a", "long"), lambda: ((time.sleep(0.02), k)[1] for k in range(100)))
    assert next(stream) == 0
    begun = time.monotonic()
    with line.job(Reader("b", "short")):
        assert time.monotonic() - begun < 1
    assert list(stream) == list(range(1, 100))
    assert not line.jobs


def test_a_short_job_keeps_its_turn_to_its_end(line):
    begun = []

    def work():
        with line.job(Reader("b", "other")):
            begun.append(1)

    with line.job(Reader("a", "short")) as job:
        thread = start(work)
        until(lambda: line.line)
        job.between_steps()
        assert not begun
    thread.join(10)


def test_closing_a_stream_ends_its_work_and_frees_the_turn(line):
    made, closed = [], threading.Event()

    def updates():
        try:
            for k in range(1000):
                made.append(k)
                time.sleep(0.005)
                yield k
        finally:
            closed.set()

    stream = line.stream(Reader("a", "page"), updates)
    assert next(stream) == 0
    stream.close()
    assert closed.wait(10)
    until(lambda: not line.jobs)
    assert len(made) < 100


def test_a_stream_that_is_stopped_while_it_waits_never_begins(line):
    begun, ended = [], []

    def read():
        try:
            list(line.stream(Reader("a", "page"), lambda: (begun.append(k) or k for k in (1, 2))))
        except turns.Stopped:
            ended.append(1)

    with line.job(Reader("b", "other")):
        reading = start(read)
        until(lambda: len(line.line) == 1)
        line.line[0].stop()
        until(lambda: not line.line)
    reading.join(10)
    assert (begun, ended, line.jobs) == ([], [1], [])


def test_a_call_gives_its_answer_or_its_error_and_the_turn_back(line):
    assert line.call(Reader("a", "page"), lambda: "answer") == "answer"
    with pytest.raises(GenartError, match="The prompt is empty"):
        line.call(Reader("a", "page"), lambda: (_ for _ in ()).throw(GenartError("empty_prompt")))
    assert line.call(Reader("a", "page"), lambda: turns.between_steps()) is None
    assert (line.jobs, line.at_work) == ([], 0)


def test_work_is_done_by_few_threads_however_many_ask(line):
    names = set()

    def ask(k):
        line.call(Reader(f"address {k}", ""), lambda: names.add(threading.get_ident()))

    for thread in [start(ask, k) for k in range(20)]:
        thread.join(10)
    assert len(names) <= 3


def test_an_error_of_a_stream_comes_out_where_it_is_read(line):
    def updates():
        yield 1
        raise GenartError("empty_prompt")

    stream = line.stream(Reader("a", "page"), updates)
    assert next(stream) == 1
    with pytest.raises(GenartError, match="The prompt is empty"):
        next(stream)
    assert not line.jobs


def test_the_turn_is_free_while_a_job_is_away(line):
    elsewhere = Turns(limit=60, streams=Streams())
    with line.job(Reader("a", "page")) as job:
        with turns.away(elsewhere):
            assert (line.at_work, elsewhere.at_work) == (0, 1)
            with line.job(Reader("b", "other")):
                pass
        assert (line.at_work, elsewhere.at_work) == (1, 0)
        assert job.since is not None


def test_without_a_turn_there_is_nothing_to_give():
    turns.between_steps()
    with turns.away(Turns(streams=Streams())):
        pass


@pytest.mark.slow
def test_who_waits_is_told_how_many_go_first(line):
    told = []
    with line.job(Reader("a", "page")):
        thread = start(lambda: line.job(Reader("b", "other"), told.append).__enter__())
        until(lambda: told)
    thread.join(10)
    assert told == [1, 0]


def test_what_is_remembered_of_readers_is_bounded(line, monkeypatch):
    monkeypatch.setattr(turns, "REMEMBERED", 20)
    for k in range(100):
        with line.job(Reader(f"address {k}", "page")):
            pass
    assert len(line._last) <= 20
