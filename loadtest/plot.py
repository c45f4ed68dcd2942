"""A picture of a result file: what a request costs each server, as a ratio to nginx, with the spread of the rounds.

python loadtest/plot.py FILE.json [FILE.svg [SERVER ...]]     needs matplotlib (pip install matplotlib)

Without SERVER it has all servers. docs/benchmark.svg, which the README shows, has nginx-copy, tuxpy-uring and
tuxpy-epoll.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from table import Results, ratios, servers

_COLOURS = {
    "nginx-copy": "#9aa5b1",
    "h2o": "#c8a24a",
    "lighttpd": "#7a9e7e",
    "tuxpy-uring": "#b5402a",
    "tuxpy-epoll": "#e08a5b",
}
_OTHER = "#cccccc"
_BAR = 0.8  # of the room of a scenario
_RATIO_MAX = 2.5  # where the axis ends; a longer bar has its figure written on it


def draw(results: Results, file: Path, only: Sequence[str] = ()) -> None:
    """Write the picture, of `only` these servers if any are named; its kind follows from the extension."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tuxpy", "font.size": 9})
    from matplotlib import pyplot

    names = [name for name in servers(results) if name != "nginx" and name not in results["probes"]]
    names = [name for name in names if not only or name in only]
    height = 1.2 + (0.15 + 0.12 * len(names)) * len(results["scenarios"])
    figure, axes = pyplot.subplots(figsize=(9, height), layout="constrained")
    for number, name in enumerate(names):
        _bars(axes, results, name, number, len(names))
    axes.axvline(1, color="#333333", linewidth=1)
    axes.set_yticks(range(len(results["scenarios"])), results["scenarios"])
    axes.set_ylim(len(results["scenarios"]) - 0.4, -0.6)
    axes.set_xlim(0, max(1.6, min(_RATIO_MAX, axes.get_xlim()[1])))
    machine = results["machine"]
    axes.set_xlabel("server CPU per request, ratio to nginx (the line at 1); shorter is cheaper; thin: all rounds")
    axes.set_title(f"{machine['date']}, Linux {machine['kernel']}, {machine['processor']}", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    metadata: dict[str, Any] = {"Date": None} if file.suffix == ".svg" else {}
    figure.savefig(file, metadata=metadata)
    pyplot.close(figure)


def _bars(axes: Any, results: Results, name: str, number: int, count: int) -> None:
    """The bars of one server, one for each scenario it was measured in."""
    height = _BAR / count
    places, middles, below, above = [], [], [], []
    for place, scenario in enumerate(results["scenarios"]):
        found = ratios(results, scenario, name)
        if found:
            middle = median(found)
            places.append(place + (number - (count - 1) / 2) * height)
            middles.append(middle)
            below.append(middle - min(found))
            above.append(max(found) - middle)
    whiskers = {"elinewidth": 0.8, "ecolor": "#333333"}
    colour = _COLOURS.get(name, _OTHER)
    axes.barh(places, middles, height * 0.9, xerr=[below, above], color=colour, label=name, error_kw=whiskers)
    for at, middle in zip(places, middles, strict=True):
        if middle > _RATIO_MAX:
            words = {"ha": "right", "va": "center", "color": "white", "fontsize": 7}
            axes.text(_RATIO_MAX - 0.02, at, f"{middle:.1f} \u2192", **words)


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    source = Path(arguments[0])
    file = Path(arguments[1]) if len(arguments) > 1 else source.with_suffix(".svg")
    draw(json.loads(source.read_text()), file, arguments[2:])


if __name__ == "__main__":
    main(sys.argv[1:])
