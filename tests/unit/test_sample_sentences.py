"""scripts/sample_sentences.py: what counts as a sentence, and that a seed repeats its sample."""

from __future__ import annotations

import pytest

from scripts import sample_sentences
from tests.support.projects.checkouts import ROOT

PAGE = """\
# The title of the page

It has a sentence
in two lines. `code` begins another one! Too short.

- A list has **sentences of its own.** They are split as well.

<!-- not run: a comment is not read -->
```console
$ a block of code is left out
```

| a header of the table | b |
|---|---|
| a cell of the table | short |
| `only code is in this cell` | `a b c d` |
"""


def test_the_sentences_of_a_page_and_no_code() -> None:
    assert sample_sentences.sentences_in(PAGE) == [
        "It has a sentence in two lines.",
        "`code` begins another one!",
        "- A list has **sentences of its own.**",
        "They are split as well.",
        "a header of the table",
        "a cell of the table",
    ]


def test_a_seed_repeats_its_sample(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for seed in ("1", "1", "2"):
        sample_sentences.main(["--docstrings=3", "--sentences=4", f"--seed={seed}"])
        printed.append(capsys.readouterr().out)

    assert printed[0] == printed[1] != printed[2]
    places = [line.split()[1] for line in printed[0].splitlines() if line[:2] in ("1.", "2.", "3.", "4.")]
    assert len(places) == 7
    assert all((ROOT / place.partition(":")[0]).is_file() for place in places)
