"""Projects to run the gate in.

Heavy modules are imported here, once: pytester forgets what an inner run imports, and the likes of
numpy cannot be imported twice.
"""

from __future__ import annotations

import alembic.command
import alembic.ddl.postgresql  # noqa: F401
import pytest
from gate_project import Project

import pytest_safegen.judging.runner
import pytest_safegen.pytest_plugin.registration
import pytest_safegen.readers.dicom
import pytest_safegen.readers.itk
import pytest_safegen.readers.nifti
import pytest_safegen.results.comparison.messages
import pytest_safegen.results.history.history
import pytest_safegen.testing  # noqa: F401
import safegen_reports.html.report  # noqa: F401


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    """An empty project with the stand-in checks."""
    return Project(pytester)
