"""A progress bar over the iterations of an optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Watch = Callable[[int, float, float], None]  # iteration, loss, largest entry of the gradient


@contextmanager
def iterations(verbose: bool, max_iter: int) -> Iterator[Watch | None]:
    """Yield what an optimiser calls after each iteration; None where nothing is to be shown."""
    if not verbose:
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=max_iter, unit="iteration", leave=False) as bar:

        def watch(_: int, loss: float, gradient: float) -> None:
            bar.set_postfix_str(f"loss {loss:.6g}, largest gradient {gradient:.1e}")
            bar.update()

        yield watch
