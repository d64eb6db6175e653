"""The documentation builds without a warning, is complete, and needs no network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import e3_event

ROOT = Path(__file__).resolve().parents[2]


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    return subprocess.run(
        [*command, "-d", target / "doctrees", source, target / "html"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("docs")
    built = build(ROOT / "docs", target)
    assert (built.returncode, built.stderr) == (0, "")
    return target / "html"


@pytest.mark.xdist_group("docs")
def test_the_reference_has_every_public_name(html: Path) -> None:
    page = (html / "api.html").read_text()
    assert [name for name in e3_event.__all__ if f'id="e3_event.{name}"' not in page] == []


@pytest.mark.xdist_group("docs")
def test_no_page_loads_anything_from_elsewhere(html: Path) -> None:
    loading = re.compile(r'<(?:script|img|iframe|link)\b[^>]*(?:src|href)="((?:https?:)?//[^"]*)"')
    pages = list(html.rglob("*.html"))
    assert len(pages) > 10
    assert {page.name: found for page in pages if (found := loading.findall(page.read_text()))} == {}


@pytest.mark.xdist_group("docs")
def test_a_broken_link_is_caught(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "conf.py").write_text((ROOT / "docs/conf.py").read_text().replace('["_static"]', "[]"))
    (source / "index.md").write_text("# Title\n\n[nowhere](nowhere.md)\n")
    built = build(source, tmp_path)
    assert built.returncode != 0
    assert "nowhere" in built.stderr
