"""Two sides do the same small things by turns, a block of them each, and every one is timed."""

from collections.abc import Callable, Sequence
from statistics import quantiles
from time import perf_counter

#: What a side leaves to be done after an answer falls into its own time, but for the last of a block.
BLOCK = 10

Do = Callable[[int], object]


def race(numbers: Sequence[int], ours: Do, floor: Do) -> tuple[list[float], list[float]]:
    """Seconds of each number's work, ours and the floor's. Who begins a block takes turns, too."""
    sides: list[tuple[Do, list[float]]] = [(ours, []), (floor, [])]
    for begin in range(0, len(numbers), BLOCK):
        turn = sides if begin // BLOCK % 2 == 0 else sides[::-1]
        for do, seconds in turn:
            for number in numbers[begin : begin + BLOCK]:
                start = perf_counter()
                do(number)
                seconds.append(perf_counter() - start)
    return sides[0][1], sides[1][1]


def percentiles(seconds: Sequence[float]) -> str:
    """p10, which other work on the machine disturbs least, p50, p95 and p99 in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [*seconds] * 99
    return "  ".join(f"p{each} {1000 * cuts[each - 1]:6.2f} ms" for each in (10, 50, 95, 99))
