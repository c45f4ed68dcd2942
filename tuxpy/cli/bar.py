"""A bar that shows how far the preload is, on a terminal and where the library rich is installed."""

from __future__ import annotations

from collections.abc import Callable


def bar() -> Callable[[int, int, bool], object]:
    """To be told how much is done, of how much, and whether it is over; the bar is gone then."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:  # the summary comes all the same
        return lambda *_: None
    columns = (TextColumn("preloading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("preloading", total=None)

    def show(done: int, total: int, over: bool) -> None:
        progress.update(task, completed=done, total=total)
        if over:
            progress.stop()
        elif not progress.live.is_started:
            progress.start()

    return show
