"""What can go wrong, in words that a user understands."""

from __future__ import annotations


class SafegenError(Exception):
    """A problem that the user can mend; its text is one or two plain sentences.

    `headline` says it in at most 90 characters ("Truncated file"); empty where the text will do.
    """

    def __init__(self, text: str = "", *, headline: str = "") -> None:
        super().__init__(text)
        self.headline = headline


class UsageProblem(SafegenError):
    """The run cannot start as asked: a wrong option, a missing folder, no data."""


class ReadError(SafegenError):
    """A file cannot be read as a scan; the text names the file and the way out."""


class ProfileError(SafegenError):
    """A profile cannot be fitted, saved, loaded or used with these scans."""


class NotJudged(SafegenError):
    """A detector cannot measure this target; it becomes INCONCLUSIVE, never PASS."""


def format_error(problem: Exception) -> str:
    """One line of an exception: the text of our own, type and first line of any other."""
    text = next(iter(str(problem).splitlines()), "")
    return text if isinstance(problem, SafegenError) else f"{type(problem).__name__}: {text}"
