"""The source text of the Python standard library, as byte-pair tokens.

Nothing is downloaded: the text is that of the interpreter at hand, and the vocabulary is built from
it on the spot. So the figures of two versions of Python differ a little.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

NOT_THE_LIBRARY = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
HELD_OUT = 20  # one file in so many trains neither the vocabulary nor the model
END = "<end>"  # stands between two files
FILES_AT_ONCE = 64
Tokens = np.ndarray[Any, np.dtype[np.int32]]


class Corpus(NamedTuple):
    """Tokens to train on, tokens held out, and where they come from."""

    train: Tokens
    held_out: Tokens
    about: dict[str, Any]


class TooSmall(ValueError):
    """The text does not hold as many byte pairs, or tokens, as were asked for."""


def build(
    folder: Path, vocab: int, files: int | None, say: Callable[[str], None]
) -> tuple[Path, dict[str, Any]]:
    """Return the file of the corpus, made if it is not in `folder` yet, and what is said of it.

    `files` takes only so many files, spread evenly over the library. `say` is told what is done.
    """
    say("reading the standard library")
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in library(files)]
    key = hashlib.sha256(f"1 {vocab} {tokenizers.__version__}".encode())
    for text in texts:
        key.update(text.encode() + b"\0")
    path = folder / f"corpus-{key.hexdigest()[:16]}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")  # complete or not there at all
        about = {
            "python": platform.python_version(),
            "files": len(texts),
            "bytes": sum(len(text.encode()) for text in texts),
            "vocab": vocab,
        }
        train, held_out = _tokens(texts, vocab, say)
        np.savez(partial, train=train, held_out=held_out, about=np.array(json.dumps(about)))
        partial.replace(path)
    corpus = load(path)
    return path, corpus.about


def load(path: Path) -> Corpus:
    """Read what `build` wrote."""
    with np.load(path) as arrays:
        train, held_out = arrays["train"], arrays["held_out"]
        about = json.loads(str(arrays["about"]))
    about |= {"train_tokens": len(train), "held_out_tokens": len(held_out)}
    return Corpus(train, held_out, about)


def library(files: int | None = None) -> list[Path]:
    """The modules of the standard library without their tests, in an order that is always the same.

    At most `files` of them, spread evenly.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    parts = ((path.relative_to(root).parts, path) for path in root.rglob("*.py"))
    found = [path for name, path in sorted(parts) if not NOT_THE_LIBRARY & set(name)]
    if files is None or files >= len(found):
        return found
    return [found[i * len(found) // files] for i in range(files)]


def _tokens(texts: list[str], vocab: int, say: Callable[[str], None]) -> tuple[Tokens, Tokens]:
    held_out = texts[HELD_OUT // 2 :: HELD_OUT]
    train = [text for i, text in enumerate(texts) if i % HELD_OUT != HELD_OUT // 2]
    say(f"building a vocabulary of {vocab:,} byte pairs")
    tokenizer = _vocabulary(train, vocab)
    none = np.empty(0, np.int32)
    return tuple(
        np.concatenate([none, *_encoded(tokenizer, part, say)]) for part in (train, held_out)
    )


def _vocabulary(texts: list[str], vocab: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != vocab:
        raise TooSmall(
            f"{len(texts)} files of {sum(map(len, texts)) / 1e6:.1f} million characters hold "
            f"{tokenizer.get_vocab_size():,} byte pairs, not {vocab:,}: "
            f"ask for --vocab {tokenizer.get_vocab_size()}, or leave out --files"
        )
    return tokenizer


def _encoded(
    tokenizer: Tokenizer, texts: list[str], say: Callable[[str], None]
) -> Iterator[Tokens]:
    end = tokenizer.token_to_id(END)
    for start in range(0, len(texts), FILES_AT_ONCE):
        say(f"text to tokens, file {start:,} of {len(texts):,}")
        for encoding in tokenizer.encode_batch_fast(texts[start : start + FILES_AT_ONCE]):
            yield np.array([*encoding.ids, end], dtype=np.int32)
