"""The results of async_test.py as the announcement's table, and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

Results: TypeAlias = dict[str, Any]

# What the announcement of 13 February 2007 had: ext3 on one PATA disk, the deadline scheduler.
IN_2007 = {"uncached": ("45.8 seconds", "34.2 seconds", 33.9), "cached": ("31.6 msecs", "26.5 msecs", 19.2)}

_HEAD = """\
                  synchronous IO      |   Syslets:
                  --------------------------------------------
"""
_WORDS = {
    "sync_c": "plain loop in C",
    "syslets_uring": "syslets, uring",
    "syslets_epoll": "syslets, epoll + workers",
    "syslets_kept": "syslets, contents kept",
    "syslets_one_processor": "syslets, one processor",
    "python_loop": "plain loop in Python",
    "thread_pool": "thread pool",
    "asyncio_threads": "asyncio + threads",
}


def gain(results: Results, case: str, name: str = "syslets") -> float:
    """By how much per cent the plain loop in C takes longer, as the announcement reckons."""
    return float(results[case]["sync_c_ms"] / results[case][f"{name}_ms"] - 1) * 100


def _row(case: str, plain: str, syslets: str, percent: float) -> str:
    return f"{f'  {case}:':18}{plain:20}|  {syslets:15}( {percent:+.1f}% )\n"


def _table(results: Results) -> str:
    lines = [_HEAD]
    for case in ("uncached", "cached"):
        found = results[case]
        if "skipped" in found:
            lines.append(f"  {case}: not measured: {found['skipped']}\n")
        else:
            plain, syslets = (f"{found[name]:.2f} msecs" for name in ("sync_c_ms", "syslets_ms"))
            lines.append(_row(case, plain, syslets, gain(results, case)))
    return "".join(lines)


def render(results: Results) -> str:
    """Everything that was measured."""
    machine = results["machine"]
    parts = [
        f"open, read, close of {results['files']} small random files; medians of {results['rounds']} interleaved ",
        f"passes\n{machine['date']}, Linux {machine['kernel']}, {machine['processor']}, ",
        f"{machine['processors']} processors, Python {machine['python']}\n\n",
        _table(results),
        "\nThe same in the announcement of 2007:\n\n",
        _HEAD,
        *(_row(case, *IN_2007[case]) for case in IN_2007),
        "\nAll ways, milliseconds and gain over the plain loop in C\n",
    ]
    for name, words in _WORDS.items():
        cells = [f"  {words:26}"]
        for case in ("cached", "uncached"):
            if f"{name}_ms" in results[case]:
                cells.append(f"{case} {results[case][f'{name}_ms']:9.2f} ({gain(results, case, name):+6.1f}%)   ")
        if len(cells) > 1:
            parts.append("".join(cells).rstrip() + "\n")
    parts.append("\nThe null call (getpid) in C, 64 chains in a batch: nanoseconds bare, and an atom\n")
    for row in results["null"]:
        ratio = row["atom_ns"] / row["bare_ns"]
        parts.append(f"  chains of {row['atoms']:.0f}   {row['bare_ns']:6.1f}  {row['atom_ns']:6.1f}   {ratio:.2f}\n")
    parts.append("\nOne call as Python sees it, microseconds\n")
    parts += [f"  {name:26}{us:8.2f}\n" for name, us in results["python_us"].items()]
    return "".join(parts)


def draw(results: Results, file: Path) -> None:
    """Bars for the ways, cached and uncached; the extension says which kind of picture."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tuxpy", "font.size": 9})
    from matplotlib import pyplot

    cases = [case for case in ("cached", "uncached") if "skipped" not in results[case]]
    figure, axes = pyplot.subplots(len(cases), figsize=(9, 2.8 * len(cases)), layout="constrained", squeeze=False)
    for place, case in enumerate(cases):
        names = [name for name in _WORDS if f"{name}_ms" in results[case]]
        values = [results[case][f"{name}_ms"] for name in names]
        colours = ["#b5402a" if name.startswith("syslets") else "#9aa5b1" for name in names]
        row = axes[place][0]
        bars = row.barh([_WORDS[name] for name in names], values, color=colours)
        row.bar_label(bars, labels=[f" {value:.2f}" for value in values])
        row.axvline(results[case]["sync_c_ms"], color="#333333", linewidth=1)
        row.invert_yaxis()
        row.set_title(f"{case}, milliseconds for {results['files']} files; the line is the plain loop in C", fontsize=9)
        row.spines[["top", "right"]].set_visible(False)
    metadata: dict[str, Any] = {"Date": None} if file.suffix == ".svg" else {}
    figure.savefig(file, metadata=metadata)
    pyplot.close(figure)
