"""`make bench`: measures, prints each figure as met or missed, and fails only where it cannot measure."""

import argparse
import asyncio
import os

from tests.bench import embedded, engine, printing, proxying
from tests.bench.figure import Figure

PARTS = {"embedded": embedded.figures, "engine": engine.figures, "gateway": proxying.figures, "pdf": printing.figures}


async def bench(parts: list[str]) -> list[Figure]:
    measured = []
    for part in parts:
        async for figure in PARTS[part]():
            print(figure, flush=True)
            measured.append(figure)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these (default: all)")
    parts = parser.parse_args().parts or list(PARTS)
    print(f"Medians, with the least and the most; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    measured = asyncio.run(bench(parts))
    missed = sum(figure.verdict == "missed" for figure in measured)
    print(f"{len(measured)} figures, {missed} missed")


if __name__ == "__main__":
    main()
