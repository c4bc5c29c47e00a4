"""Where settings come from, which source wins, and what is wrong use (exit code 4)."""

from __future__ import annotations

import pytest
from gate_project import Project, collected

pytestmark = pytest.mark.slow

USAGE_ERROR = pytest.ExitCode.USAGE_ERROR


@pytest.fixture
def cohort(project: Project) -> Project:
    """One scan, in two folders."""
    project.scans("data/a.nii.gz", "other/b.nii.gz")
    return project


def data_of(result: pytest.RunResult) -> list[str]:
    """The files that were collected."""
    return [name.partition("::")[0] for name in collected(result)]


def asked(project: Project) -> pytest.RunResult:
    """A run with nothing on the command line."""
    return project.run("--collect-only", "-q")


SOURCES = {
    "safegen.toml": 'data = "data"\nchecks = ["brightness"]',
    "pyproject.toml": '[tool.safegen]\ndata = "data"\nchecks = ["brightness"]',
    "tox.ini": "[pytest]\nsafegen_data = data\nsafegen_checks = brightness",
}


TABLES = {
    "dotted keys": '[tool]\nsafegen.data = "data"\nsafegen.checks = "brightness"',
    "spaces": '[ tool . safegen ]\ndata = "data"\nchecks = "brightness"',
    "quotes": '["tool"."safegen"]\ndata = "data"\nchecks = "brightness"',
    "inline": '[tool]\nsafegen = {data = "data", checks = "brightness"}',
}


@pytest.mark.parametrize("case", TABLES)
def test_any_way_to_write_the_table_of_pyproject_is_found(cohort: Project, case: str) -> None:
    cohort.write("pyproject.toml", TABLES[case])
    assert data_of(asked(cohort)) == ["data/a.nii.gz"]


@pytest.mark.parametrize("file", SOURCES)
def test_a_file_can_name_the_data(cohort: Project, file: str) -> None:
    cohort.write(file, SOURCES[file])
    assert data_of(asked(cohort)) == ["data/a.nii.gz"]


def test_the_ini_wins_over_the_file(cohort: Project) -> None:
    cohort.write("safegen.toml", 'data = "data"\nchecks = "brightness"')
    cohort.write("tox.ini", "[pytest]\nsafegen_data = other")
    assert data_of(asked(cohort)) == ["other/b.nii.gz"]


def test_the_command_line_wins_over_the_ini(cohort: Project) -> None:
    cohort.write("tox.ini", "[pytest]\nsafegen_data = data")
    assert data_of(cohort.gate("--collect-only", "-q", data="other")) == ["other/b.nii.gz"]


def test_safegen_toml_wins_over_pyproject(cohort: Project) -> None:
    cohort.write("pyproject.toml", '[tool.safegen]\ndata = "data"\nchecks = "brightness"')
    cohort.write("safegen.toml", 'data = "other"\nchecks = "brightness"')
    assert data_of(asked(cohort)) == ["other/b.nii.gz"]


def test_the_config_option_names_another_file(cohort: Project) -> None:
    cohort.write("gates/one.toml", 'data = "../other"\nchecks = "brightness"')
    result = cohort.run("--safegen-config=gates/one.toml", "--collect-only", "-q")
    assert data_of(result) == ["other/b.nii.gz"]


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="[tool.pytest] came with pytest 9.0")
def test_native_toml_settings_of_pytest_are_read(cohort: Project) -> None:
    (cohort.root / "tox.ini").unlink()
    cohort.write(
        "pyproject.toml",
        '[tool.pytest]\nsafegen_data = ["data"]\nsafegen_checks = ["brightness"]\n'
        'safegen_min_scans = "1"',
    )
    assert data_of(asked(cohort)) == ["data/a.nii.gz"]


def test_a_path_with_a_space_in_the_ini_is_one_path(cohort: Project) -> None:
    cohort.scan("my data/c.nii.gz")
    cohort.write("tox.ini", "[pytest]\nsafegen_data = my data\nsafegen_checks = brightness")
    assert data_of(asked(cohort)) == ["my data/c.nii.gz"]


def test_exclude_checks_leaves_a_check_out(cohort: Project) -> None:
    cohort.gate("--safegen-exclude-checks=population")
    assert ("population", "") not in cohort.verdicts()


def test_the_options_of_a_detector_reach_it(cohort: Project) -> None:
    cohort.write("safegen.toml", "[detectors.population]\nlimit = 0")
    cohort.gate()
    assert cohort.verdicts()[("population", "")] == "FAIL"


def test_a_plugin_of_the_settings_adds_checks(cohort: Project) -> None:
    stand_ins = (cohort.root / "conftest.py").read_text(encoding="utf-8")
    (cohort.root / "conftest.py").unlink()
    cohort.write("my_checks.py", stand_ins)
    cohort.write("safegen.toml", 'plugins = ["my_checks"]')
    cohort.pytester.syspathinsert()
    assert cohort.gate().ret == pytest.ExitCode.OK


def test_the_model_is_in_the_results(cohort: Project) -> None:
    cohort.gate("--safegen-generator=ddpm@1.2")
    assert (cohort.gate_json()["generator"], cohort.gate_json()["version"]) == ("ddpm", "1.2")


def test_the_seed_is_a_number(cohort: Project) -> None:
    assert cohort.gate("--safegen-seed=x").ret == USAGE_ERROR


WRONG = {
    "unknown key": ('dta = "data"', "Did you mean data?"),
    "unknown check": ('checks = "brightnes"', "Did you mean brightness?"),
    "unknown excluded check": ('exclude_checks = "grow"', "Did you mean growth?"),
    "threshold of an unknown check": ('thresholds = {grwth = "1"}', "Did you mean growth?"),
    "bad threshold": ('thresholds = {growth = "big"}', "Invalid threshold 'big'"),
    "bad mode": ('mode = "loose"', "expected one of enforce, warn, record (--safegen-mode)"),
    "bad number": ("min_scans = -1", "expected an integer >= 0 (--safegen-min-scans)"),
    "not TOML": ("data = [", "is not valid TOML"),
    "unknown plugin": ('plugins = ["no_such_module"]', "Cannot import the plug-in"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_wrong_use(cohort: Project, case: str) -> None:
    text, sentence = WRONG[case]
    cohort.write("safegen.toml", text)
    result = cohort.gate(checks="brightness" if not text.startswith("checks") else None)
    assert result.ret == USAGE_ERROR
    assert sentence in result.stderr.str()


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_shows_one_line_and_no_traceback(cohort: Project, case: str) -> None:
    text, _ = WRONG[case]
    cohort.write("safegen.toml", text)
    result = cohort.gate(checks="brightness" if not text.startswith("checks") else None)
    assert [line for line in result.errlines if line] == [
        line for line in result.errlines if line.startswith("ERROR: ")
    ]


def test_a_settings_file_that_is_not_there_is_wrong_use(cohort: Project) -> None:
    assert cohort.gate("--safegen-config=none.toml").ret == USAGE_ERROR


def test_a_data_folder_that_is_not_there_is_wrong_use(project: Project) -> None:
    result = project.gate(data="missing")
    assert result.ret == USAGE_ERROR
    assert "missing does not exist" in result.stderr.str()


def test_a_data_folder_without_a_scan_is_wrong_use(project: Project) -> None:
    project.write("data/notes.txt", "nothing here")
    result = project.gate()
    assert result.ret == USAGE_ERROR
    assert "There is no scan in" in result.stderr.str()


def test_an_empty_data_folder_beside_passing_tests_is_wrong_use(project: Project) -> None:
    (project.root / "data").mkdir()
    project.write("test_own.py", "def test_own(): pass")
    assert project.gate().ret == USAGE_ERROR


def test_an_empty_data_option_is_wrong_use(cohort: Project) -> None:
    assert cohort.gate(data="").ret == USAGE_ERROR or not collected(cohort.gate("-q", data=""))


@pytest.mark.parametrize("option", ["reference", "holdout"])
def test_a_folder_of_real_scans_that_is_not_there_is_wrong_use(
    cohort: Project, option: str
) -> None:
    result = cohort.gate(f"--safegen-{option}=missing")
    assert result.ret == USAGE_ERROR
    assert "missing" in result.stderr.str()


@pytest.mark.parametrize("option", ["reference", "holdout"])
def test_a_folder_of_real_scans_without_a_scan_is_wrong_use(cohort: Project, option: str) -> None:
    (cohort.root / "empty").mkdir()
    assert cohort.gate(f"--safegen-{option}=empty").ret == USAGE_ERROR


@pytest.mark.parametrize("content", [b"", b"not a profile", b"PK\x03\x04 torn"])
def test_a_damaged_profile_is_wrong_use(cohort: Project, content: bytes) -> None:
    (cohort.root / "brain.safegen").write_bytes(content)
    result = cohort.gate("--safegen-profile=brain.safegen")
    assert result.ret == USAGE_ERROR
    assert "brain.safegen" in result.stderr.str()


def test_a_profile_that_is_not_there_is_wrong_use(cohort: Project) -> None:
    assert cohort.gate("--safegen-profile=none.safegen").ret == USAGE_ERROR


def test_wrong_use_with_two_workers_is_wrong_use(cohort: Project) -> None:
    assert cohort.gate("-n2", "--safegen-profile=none.safegen").ret == USAGE_ERROR


def test_a_device_that_is_not_there_is_wrong_use(cohort: Project) -> None:
    result = cohort.pytester.runpytest_inprocess("--safegen-data=data", "--safegen-device=mps")
    assert result.ret == USAGE_ERROR


def test_a_report_folder_with_other_things_is_wrong_use(cohort: Project) -> None:
    cohort.write("safegen-report/thesis.md", "years of work")
    assert cohort.gate().ret == USAGE_ERROR


def test_nothing_of_a_foreign_report_folder_is_deleted(cohort: Project) -> None:
    own = cohort.write("safegen-report/results.json", "{}")
    cohort.gate()
    assert own.read_text(encoding="utf-8") == "{}"


def test_the_report_folder_cannot_be_the_data_folder(cohort: Project) -> None:
    scan = cohort.root / "data/a.nii.gz"
    assert cohort.gate("--safegen-report=data").ret == USAGE_ERROR
    assert scan.exists()


def test_the_report_folder_cannot_be_a_file(cohort: Project) -> None:
    cohort.write("report", "a file")
    assert cohort.gate("--safegen-report=report").ret == USAGE_ERROR


def test_an_earlier_report_is_replaced(cohort: Project) -> None:
    cohort.gate()
    cohort.gate()
    assert len(cohort.findings()) == 3


def test_the_users_files_in_a_report_folder_are_kept(cohort: Project) -> None:
    cohort.gate()
    own = cohort.write("safegen-report/notes.json", "{}")
    cohort.gate()
    assert own.exists()


def test_results_of_another_tool_are_no_report(cohort: Project) -> None:
    cohort.write("safegen-report/results.jsonl", '{"loss": 0.1}\n')
    picture = cohort.write("safegen-report/images/one.png", "a picture")
    assert cohort.gate().ret == USAGE_ERROR
    assert picture.exists()
