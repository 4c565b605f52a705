"""What `import genart_hub` costs a fresh process, over a bare interpreter. Run: python tests/bench/bench_import.py"""

import statistics
import subprocess
import sys
import time


def seconds(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun


def main(rounds: int = 21) -> None:
    pairs = [(seconds("pass"), seconds("import genart_hub")) for _ in range(rounds + 1)][1:]
    bare, ours = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    extra = statistics.median((b - a) * 1000 for a, b in pairs)
    print(f"bare interpreter {bare:.1f} ms, with import genart_hub {ours:.1f} ms: {extra:.1f} ms more (medians of {rounds} pairs)")


if __name__ == "__main__":
    main()
