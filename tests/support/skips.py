"""A pytest plugin for a run in which nothing skips silently: a skip that no entry of a list allows fails.

At the end of a whole run, an entry that names no test fails it too, and the skips that were allowed are listed.
"""

from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase

import pytest

NARROWED = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "last_failed")


def name_of(nodeid: str) -> str:
    """`module::test` of a test, `module` of a module: without folders, parameters and the group that xdist adds."""
    path, *inside = nodeid.split("::")
    module = path.rpartition("/")[2].removesuffix(".py")
    return "::".join([module, *inside]).partition("[")[0].partition("@")[0]


def reason_of(report) -> str:
    """The words of a skip."""
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return words.removeprefix("Skipped: ")


def is_whole(session: pytest.Session) -> bool:
    """Whether the session ran all tests: none was chosen by path, name or marker, and it was not stopped."""
    config = session.config
    chosen = config.args_source is config.ArgsSource.ARGS or any(config.getoption(name, None) for name in NARROWED)
    return not (chosen or session.shouldstop or session.shouldfail or config.option.collectonly)


class OnlyAllowedSkips:
    """The plugin.

    Args:
        allowed: the reason of each skip that is allowed, by `module::test` or, where all of a module skips, `module`;
            `*` stands for any characters.
    """

    def __init__(self, allowed: Mapping[str, str]) -> None:
        self.allowed = allowed
        self.names: set[str] = set()
        self.skips: Counter[str] = Counter()
        self.needless: list[str] = []

    def _entry(self, name: str) -> str | None:
        return next((entry for entry in self.allowed if fnmatchcase(name, entry)), None)

    def _checked(self, report):
        """The report, failed if it is of a skip that is not allowed. An expected failure is reported as a skip too."""
        if report.skipped and not hasattr(report, "wasxfail") and self._entry(name_of(report.nodeid)) is None:
            report.outcome = "failed"
            report.longrepr = (
                f"{name_of(report.nodeid)} skips, which no entry of the allowed skips permits: {reason_of(report)}\n"
                "Let the test run here, or add an entry with an honest reason to tests/support/allowed_skips.py."
            )
        return report

    # outermost, so that they see what pytest's own plugin for skips has made of a report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self):
        return self._checked((yield))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self):
        return self._checked((yield))

    # With xdist the next hooks hear the reports of every worker, in the process that started them.

    def pytest_runtest_logreport(self, report):
        self._count(report)

    def pytest_collectreport(self, report):
        self._count(report)

    def _count(self, report) -> None:
        name = name_of(report.nodeid)
        self.names |= {name, name.partition("::")[0]}
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skips[self._entry(name)] += 1

    def pytest_sessionfinish(self, session, exitstatus):
        is_worker = hasattr(session.config, "workerinput")
        if is_worker or not is_whole(session) or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return
        self.needless = [entry for entry in self.allowed if not any(fnmatchcase(name, entry) for name in self.names)]
        if self.needless:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        skips = [f"{number} of {entry}: {self.allowed[entry]}" for entry, number in self.skips.items()]
        needless = [f"{entry}: {self.allowed[entry]}" for entry in self.needless]
        _section(terminalreporter, "allowed skips", skips)
        _section(terminalreporter, "FAILED: entries of the allowed skips that name no test", needless)


def _section(terminalreporter, title: str, lines: list[str]) -> None:
    if lines:
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.line(line)
