"""The lists of `make mutants` in pyproject.toml name what is there."""

from collections import Counter
from io import StringIO

import pytest
from rich.console import Console

from benchmarks.mutants import (
    ROOT,
    ChosenMutant,
    chosen_mutants,
    draw_sample,
    read_project,
    table_of,
)


def test_all_files_that_are_to_be_broken_and_their_tests_exist() -> None:
    config = read_project()["mutmut"]
    listed = [*config["only_mutate"], *config["pytest_add_cli_args_test_selection"]]
    listed += [test for mutant in chosen_mutants() for test in mutant.tests]
    assert [name for name in listed if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("mutant", chosen_mutants(), ids=lambda mutant: mutant.before)
def test_a_chosen_mutant_breaks_the_code_in_one_place(mutant: ChosenMutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert mutant.break_text(text) != text


def test_the_score_counts_mutants_that_were_tried() -> None:
    tried = Counter({"killed": 6, "timeout": 1, "survived": 2, "no tests": 1, "not checked": 5})
    printed = StringIO()
    Console(file=printed).print(table_of({"app.queue": tried}))
    assert "70.0%" in printed.getvalue()


def test_a_sample_has_the_same_mutants_each_time() -> None:
    names = [f"app.queue.x_put_off__mutmut_{number}" for number in range(50)]
    sample = draw_sample([*names, "app.links.leases.x_hold__mutmut_1"], ["app.queue*"], 10)
    assert len(set(sample)) == 10
    assert set(sample) <= set(names)
    assert draw_sample(names[::-1], ["app.queue*"], 10) == sample
    assert sorted(draw_sample(names, ["app.queue*"], 60)) == sorted(names)
