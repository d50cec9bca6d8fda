"""`make bench`: measures, prints each figure as met or missed, and fails only where it cannot measure."""

import argparse
import asyncio
import os

from tests.bench import embedded, engine, printing, proxying, sustained
from tests.bench.figure import Figure

PARTS = {
    "embedded": embedded.figures,
    "engine": engine.figures,
    "gateway": proxying.figures,
    "pdf": printing.figures,
    "sustained": sustained.figures,
}


async def bench(parts: list[str]) -> list[Figure]:
    measured = []
    for part in parts:
        async for figure in PARTS[part]():
            print(figure, flush=True)
            measured.append(figure)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(PARTS), help="this part (may be repeated)")
    parts = parser.parse_args().only or list(PARTS)
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    print(f"Medians, with the least and the most; {cores} cores, load {load:.1f} at the start")
    if load > cores / 2:
        print("  The machine is busy with other work: of what follows only memory, CPU and ratios say much.")
    measured = asyncio.run(bench(parts))
    missed = sum(figure.verdict == "missed" for figure in measured)
    print(f"{len(measured)} figures, {missed} missed")


if __name__ == "__main__":
    main()
