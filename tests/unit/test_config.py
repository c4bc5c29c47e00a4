"""Command line, ini and settings file become one Settings, or one sentence on what is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from pytest_safegen.config.options import FILE_ONLY, OPTIONS
from pytest_safegen.config.settings import Settings, resolve
from pytest_safegen.core.errors import UsageProblem


def settings(root: Path, *, here: Path | None = None, ini: Any = None, **asked: Any) -> Settings:
    return resolve(root=root, command_line=asked, ini=ini or {}, here=here)


def from_toml(root: Path, text: str) -> Settings:
    (root / "safegen.toml").write_text(text, encoding="utf-8")
    return settings(root)


def test_the_defaults_hold_where_nothing_is_asked(tmp_path: Path) -> None:
    assert settings(tmp_path) == Settings(root=tmp_path, report=tmp_path / "safegen-report")


def test_the_command_line_goes_before_the_ini(tmp_path: Path) -> None:
    assert settings(tmp_path, ini={"mode": "warn"}, mode="record").mode == "record"


def test_the_ini_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "safegen.toml").write_text('mode = "record"')
    assert settings(tmp_path, ini={"mode": "warn"}).mode == "warn"


def test_the_file_goes_before_the_default(tmp_path: Path) -> None:
    assert from_toml(tmp_path, 'mode = "record"').mode == "record"


@pytest.mark.parametrize("nothing", [None, "", []])
def test_what_is_not_given_does_not_hide_the_file(tmp_path: Path, nothing: Any) -> None:
    (tmp_path / "safegen.toml").write_text('generator = "vae@1"')
    assert settings(tmp_path, ini={"generator": nothing}, generator=nothing).generator == "vae@1"


def test_safegen_toml_goes_before_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.safegen]\nmode = "warn"')
    assert from_toml(tmp_path, 'mode = "record"').mode == "record"


def test_pyproject_is_read_where_it_has_a_table_for_the_gate(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.safegen]\nseed = 3')
    assert settings(tmp_path).seed == 3


@pytest.mark.parametrize("text", ['[project]\nname = "x"', "[tool.other]\nseed = 3"])
def test_a_project_without_a_table_for_the_gate_asks_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert settings(tmp_path, config="pyproject.toml").seed == 0


@pytest.mark.parametrize("text", ["seed = 3", "[tool.safegen]\nseed = 3"])
def test_a_named_settings_file_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "gate.toml").write_text(text)
    assert settings(tmp_path, config="gate.toml").seed == 3


@pytest.mark.parametrize("text", ["[tool]\nsafegen = 3", "[tool]\nsafegen = []"])
def test_a_table_for_the_gate_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "gate.toml").write_text(text)
    with pytest.raises(UsageProblem, match="not a table"):
        settings(tmp_path, config="gate.toml")


@pytest.mark.parametrize("raw", [b"seed = ", b"\xff\xfe", b"seed = 1\nseed = 2"])
def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "safegen.toml").write_bytes(raw)
    with pytest.raises(UsageProblem, match=r"safegen\.toml is not valid TOML"):
        settings(tmp_path)


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"Cannot read the settings file .*gone\.toml"):
        settings(tmp_path, config="gone.toml")


def test_paths_of_the_command_line_are_relative_to_where_it_was_typed(tmp_path: Path) -> None:
    assert settings(tmp_path, here=tmp_path / "sub", data=["a"]).data == (tmp_path / "sub" / "a",)


def test_paths_of_the_ini_are_relative_to_the_root(tmp_path: Path) -> None:
    found = settings(tmp_path, here=tmp_path / "sub", ini={"data": ["a"]})
    assert found.data == (tmp_path / "a",)


def test_a_settings_file_of_the_ini_is_relative_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("seed = 3")
    assert settings(tmp_path, here=tmp_path / "sub", ini={"config": "gate.toml"}).seed == 3


def test_paths_of_a_named_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "gate.toml").write_text('data = "a"')
    assert settings(tmp_path, config="sub/gate.toml").data == (tmp_path / "sub" / "a",)


def test_a_path_is_written_without_steps_up(tmp_path: Path) -> None:
    assert settings(tmp_path, here=tmp_path / "sub", data=["../a/"]).data == (tmp_path / "a",)


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    assert settings(tmp_path / "x", data=[str(tmp_path / "a")]).data == (tmp_path / "a",)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert settings(tmp_path, data=["~/a"]).data == (tmp_path / "home" / "a",)


def test_the_home_of_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="--safegen-data"):
        settings(tmp_path, data=["~nobody-of-that-name/a"])


def test_several_folders_are_kept_in_order(tmp_path: Path) -> None:
    assert settings(tmp_path, data=["b", "a"]).data == (tmp_path / "b", tmp_path / "a")


def test_words_are_split_at_commas(tmp_path: Path) -> None:
    assert settings(tmp_path, checks=["a, b", "c,"]).checks == ("a", "b", "c")


def test_a_list_of_words_is_taken_from_the_file(tmp_path: Path) -> None:
    assert from_toml(tmp_path, 'checks = ["a", "b"]').checks == ("a", "b")


def test_thresholds_of_the_command_line_are_pairs(tmp_path: Path) -> None:
    found = settings(tmp_path, thresholds=["a=p<=0.01", "b.c = >=3"])
    assert found.thresholds == {"a": "p<=0.01", "b.c": ">=3"}


@pytest.mark.parametrize(
    "text",
    ['"a.b" = "<=3"', 'a.b = "<=3"', '[thresholds.a]\nb = "<=3"'],
)
def test_thresholds_of_the_file_are_a_table(tmp_path: Path, text: str) -> None:
    head = "" if text.startswith("[") else "[thresholds]\n"
    assert from_toml(tmp_path, head + text).thresholds == {"a.b": "<=3"}


def test_a_threshold_of_the_file_may_be_a_number(tmp_path: Path) -> None:
    assert from_toml(tmp_path, "[thresholds]\na = 0.3").thresholds == {"a": "0.3"}


@pytest.mark.parametrize("text", ["a = true", "a = [1]", "a = 2020-01-01"])
def test_a_threshold_that_is_no_limit_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageProblem, match=r"Invalid thresholds\.a=.*: expected a limit"):
        from_toml(tmp_path, f"[thresholds]\n{text}")


@pytest.mark.parametrize("pair", ["anomaly", "anomaly=", "=0.3", ""])
def test_a_threshold_without_check_or_limit_is_refused(tmp_path: Path, pair: str) -> None:
    with pytest.raises(UsageProblem, match=r"CHECK=EXPR"):
        settings(tmp_path, thresholds=[pair])


@pytest.mark.parametrize("raw", [3, "3", " 3 "])
def test_a_whole_number_is_taken(tmp_path: Path, raw: Any) -> None:
    assert settings(tmp_path, min_scans=raw).min_scans == 3


@pytest.mark.parametrize("text", ["-1", "1.5", "inf", "nan", "true", '"many"', "[1]", '"-1"'])
def test_what_is_no_whole_number_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageProblem, match="expected an integer >= 0"):
        from_toml(tmp_path, f"min_scans = {text}")


def test_an_invalid_value_names_setting_value_expectation_and_option(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as caught:
        settings(tmp_path, min_scans="a")
    expected = "Invalid min_scans='a': expected an integer >= 0 (--safegen-min-scans)."
    assert str(caught.value) == expected


def test_every_setting_has_an_option_or_is_only_in_files() -> None:
    fields = {field.name for field in dataclasses.fields(Settings)} - {"root"}
    assert fields == {option.name for option in OPTIONS} | set(FILE_ONLY)


def test_the_history_is_a_file_of_the_project_unless_a_url_is_given(tmp_path: Path) -> None:
    default = f"sqlite:///{tmp_path / '.safegen' / 'history.db'}"
    assert settings(tmp_path).history_url == default
    assert settings(tmp_path, history="none").history_url == "none"


def test_a_choice_that_is_none_names_the_choices(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="enforce, warn, record"):
        settings(tmp_path, mode="strict")


@pytest.mark.parametrize(
    "text",
    [
        *("data = 3", "data = [3]", "data = {a = 1}", "data = ['']", "profile = 3"),
        *("profile = ['a']", "checks = 3", "checks = [3]", "checks = {a = 1}", "generator = 3"),
        *("generator = ['a']", "mode = ['warn']", "mode = 3", "thresholds = 3", "plugins = 'a'"),
        *("plugins = [3]", "detectors = 3", "detectors = {anomaly = 3}"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageProblem, match=text.split(" ")[0]):
        from_toml(tmp_path, text)


def test_an_unknown_key_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"Did you mean reference\?"):
        from_toml(tmp_path, 'referense = "a"')


def test_an_unknown_key_that_is_near_nothing_gets_the_list(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"Known settings: .*thresholds"):
        from_toml(tmp_path, "zzz = 1")


def test_plugins_and_their_options_are_of_the_file(tmp_path: Path) -> None:
    found = from_toml(tmp_path, 'plugins = ["mine"]\n[detectors.mine]\nsize = 3')
    assert (found.plugins, found.detectors) == (("mine",), {"mine": {"size": 3}})


def test_the_cache_lies_in_the_project(tmp_path: Path) -> None:
    assert settings(tmp_path).cache == tmp_path / ".safegen" / "profiles"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(
    ["data", "profile", "checks", "thresholds", "device", "generator", "seed", "x"]
)


@given(keys, anything)
def test_any_value_is_taken_or_refused_in_a_sentence(key: str, value: Any) -> None:
    try:
        found = resolve(root=Path("/nowhere"), command_line={key: value}, ini={})
    except UsageProblem as problem:
        said = str(problem)
    else:
        said = f"{key} is taken" if isinstance(found, Settings) else ""
    assert key in said
