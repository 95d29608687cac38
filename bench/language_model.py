"""The language model of examples/, with either head: the table of docs/pytorch.md.

python bench/language_model.py --write    # three minutes, an idle machine
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from _document import ROOT, machine_line, write

from softxent.measure.machine import machine_card

EXAMPLE = ROOT / "examples" / "language_model.py"
DOCUMENT = ROOT / "docs" / "pytorch.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help="into docs/pytorch.md")
    parser.add_argument("--minutes", default="3")
    args = parser.parse_args()
    command = [sys.executable, str(EXAMPLE), "--minutes", args.minutes]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    card = machine_card(("numpy", "torch", "tokenizers"))
    text = f"{machine_line(card)}\n\n```\n{output.strip()}\n```"
    print(text)
    if args.write:
        write(DOCUMENT, "language model", text)


if __name__ == "__main__":
    main()
