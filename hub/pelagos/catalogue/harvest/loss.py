"""Whether a source lost so much at once that it is more likely broken than right.

A server that was set up anew, a query that stopped matching, a page that came back empty: all look
like a source that deleted its records. What loses more than nine tenths is kept until somebody
says that it is true.
"""

from __future__ import annotations

from collections.abc import Mapping

from pelagos.errors import SourceError


def is_suspicious(before: int, now: int) -> bool:
    """Whether nothing, or less than a tenth, is left of what was there before."""
    return before > 0 and now * 10 < before


class Losses:
    """What one run has lost so far, against what was there before: granules by collection.

    A collection that lost nearly all is put off (`doubtful`, with what it has now) until the whole
    source is seen: if the source as a whole has most of its granules, the loss is true.
    """

    def __init__(self, source: str, before: Mapping[str, int], *, accepted: bool) -> None:
        self._source, self._accepted = source, accepted
        self._before = dict(before)
        self._now: dict[str, int] = {}
        self.doubtful: dict[str, int] = {}

    def expect(self, identifier: str) -> None:
        """The granules of this collection go because the settings say so."""
        self._before[identifier] = 0

    def found(self, identifier: str, granules: int) -> bool:
        """A collection has so many granules now; whether what it has lost may go at once."""
        self._now[identifier] = granules
        if not self._accepted and is_suspicious(self._before.get(identifier, 0), granules):
            self.doubtful[identifier] = granules
            return False
        return True

    def check(self) -> None:
        """The source was seen to its end. Raises SourceError if nearly all of it is gone."""
        if self._accepted:
            return
        counted = (
            ("collections", len(self._before), len(self._now)),
            ("granules", sum(self._before.values()), sum(self._now.values())),
        )
        for what, before, now in counted:
            if is_suspicious(before, now):
                raise SourceError(
                    f"The source has {now:,} {what} now and had {before:,}: nothing was removed, "
                    "since it is more likely broken than empty.",
                    f"If that is right, confirm it: ./pelagos harvest {self._source} --accept-loss",
                )
