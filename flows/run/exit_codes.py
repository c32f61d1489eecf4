"""Exit codes of commands: what each says to a shell, cron or CI, and the function that decides for a run or an import."""

from __future__ import annotations

from models.errors import SettingsError, StrikehouseError, StructureCheckFailed, UsageError

DONE, NOTHING_USABLE, USAGE, PARTLY, SET_ASIDE, STALE_DATA = range(6)
INTERRUPTED = 130  # by Ctrl-C, as shells have it
# A problem that a command looks for and that is there, such as a difference, counts as nothing usable.
MEANINGS = {
    DONE: "done",
    NOTHING_USABLE: "nothing usable",
    USAGE: "wrong use or settings",
    PARTLY: "some venues failed, the rest is published",
    SET_ASIDE: "checks set something aside",
    STALE_DATA: "stale or unavailable (`status`)",
}


def exit_code(*, usable: bool, failed: bool, set_aside: bool, unpublished: bool) -> int:
    """The code of a run or an import.

    `usable`: there is something to read. `failed`: something else could not be read. `set_aside`: a check refused a chain.
    `unpublished`: a check of the whole structure holds the publication back.
    """
    if not usable and not set_aside:
        return NOTHING_USABLE
    if failed:
        return PARTLY
    return SET_ASIDE if set_aside or unpublished else DONE


def exit_code_of(error: StrikehouseError) -> int:
    """The code of a command that an error of ours ends."""
    if isinstance(error, UsageError | SettingsError):
        return USAGE
    return SET_ASIDE if isinstance(error, StructureCheckFailed) else NOTHING_USABLE
