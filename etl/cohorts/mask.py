"""Masking small counts, so that none of them follows from what is shown. Pure functions; None is not shown.

Counts from 1 to ``below - 1`` are small. 0 is shown: it is of nobody. ``below`` is 0 where nothing is masked,
else 3 or more: a count that is masked for being under 2 is known to be 1.
"""

from collections.abc import Sequence
from itertools import compress

#: Counts under this are masked unless something else is asked for.
BELOW = 5

Count = int | None


def is_small(count: int, below: int) -> bool:
    """Whether a count has to be masked."""
    return 0 < count < below


def single(count: int, below: int) -> Count:
    """A count that stands alone, such as the persons of a cohort."""
    return None if is_small(count, below) else count


def parts(counts: Sequence[int], below: int) -> tuple[Count, ...] | None:
    """Counts that add up to a number that is shown, or follows from numbers shown; None: show no part at all.

    Beside the small ones the smallest others are masked, until the masked ones are two or more, are ``below``
    or more together, and are not all 1: so the sum leaves at least two values to each of them.
    """
    hidden = [is_small(count, below) for count in counts]
    if not any(hidden):
        return tuple(counts)
    rest = sorted((count, place) for place, count in enumerate(counts) if count >= below)
    while not _is_safe(list(compress(counts, hidden)), below):
        if not rest:
            return None
        hidden[rest.pop(0)[1]] = True
    return tuple(None if masked else count for count, masked in zip(counts, hidden, strict=True))


def chain(counts: Sequence[int], below: int) -> tuple[Count, ...]:
    """Counts of which each is part of the one before, as in an attrition: differences count persons too.

    Read from the end: a count is shown if it is not small itself, and neither is what it differs by from the
    next one that is shown.
    """
    shown: list[Count] = []
    following: int | None = None
    for count in reversed(counts):
        small = is_small(count, below) or (following is not None and is_small(count - following, below))
        shown.append(None if small else count)
        following = following if small else count
    return tuple(reversed(shown))


def overlap(first: int, second: int, both: int, below: int) -> tuple[Count, Count, Count]:
    """Persons in both of two cohorts, in the first alone, in the second alone.

    How many each has, ``first`` and ``second``, is shown: so each follows from any other of the three, and
    one that is small masks them all.
    """
    found = (both, first - both, second - both)
    if any(is_small(count, below) for count in (first, second, *found)):
        return (None, None, None)
    return found


def nested(
    first: Sequence[int], second: Sequence[int], below: int
) -> tuple[tuple[Count, ...], tuple[Count, ...]] | None:
    """The same counts of two groups of which one holds the other, or all but few; None: show none of both.

    By what two counts differ is a count of persons too. So a place is shown in both groups or in neither, and
    what ``parts`` says of masked counts holds of both groups and of what they differ by. A 0 may be masked.
    """
    groups = (first, second, [abs(one - other) for one, other in zip(first, second, strict=True)])
    places = list(zip(*groups, strict=True))
    hidden = [any(is_small(count, below) for count in place) for place in places]
    if not any(hidden):
        return tuple(first), tuple(second)
    rest = sorted((max(place), number) for number, place in enumerate(places) if any(place))
    rest = [(count, number) for count, number in rest if not hidden[number]]
    while not all(_tells_nothing(list(compress(group, hidden)), below) for group in groups):
        if not rest:
            return None
        hidden[rest.pop(0)[1]] = True
    one, other = (
        tuple(None if masked else count for count, masked in zip(group, hidden, strict=True))
        for group in (first, second)
    )
    return one, other


def _tells_nothing(masked: Sequence[int], below: int) -> bool:
    some = [count for count in masked if count]
    return not some or _is_safe(some, below)


def _is_safe(masked: Sequence[int], below: int) -> bool:
    return len(masked) >= 2 and sum(masked) >= below and sum(masked) > len(masked)
