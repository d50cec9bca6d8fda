"""What is remembered of sources beyond the target."""

import asyncio

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.sources import DOWN, Sources


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Question:
    def __init__(self, *answers: str | Unseen) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self) -> str | Unseen:
        self.asked += 1
        return self._answers.pop(0)


async def test_an_answer_holds_as_long_as_it_is_kept() -> None:
    clock = Clock()
    sources, question = Sources(now=clock), Question("one", "two")
    assert [await sources.ask("list", question, keep=60) for _ in range(3)] == ["one"] * 3
    clock.now += 61
    assert await sources.ask("list", question, keep=60) == "two"


async def test_an_answer_is_not_kept_unless_asked_for() -> None:
    sources, question = Sources(), Question("one", "two")
    assert [await sources.ask("list", question) for _ in range(2)] == ["one", "two"]


async def test_a_failure_is_remembered_for_a_minute() -> None:
    clock = Clock()
    down = Unseen("out of reach", "source")
    sources, question = Sources(now=clock), Question(down, "one")
    assert [await sources.ask("list", question) for _ in range(3)] == [down] * 3
    assert question.asked == 1
    clock.now += DOWN + 1
    assert await sources.ask("list", question) == "one"


async def test_silence_is_a_failure_of_the_source() -> None:
    sources = Sources(patience=0.01)

    async def silent() -> str | Unseen:
        await asyncio.Event().wait()
        return "never"

    answer = await sources.ask("list", silent)
    assert isinstance(answer, Unseen)
    assert answer.fault == "source"
    assert await sources.ask("list", Question("one")) == answer
