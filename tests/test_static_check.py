"""What the static check says beside the switch "Enable parallel execution"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.effects import EffectKind
from tools.static_check import inspect_source

HEADER = """
import io, os, random, shelve, shutil, smtplib, sqlite3, sys, time
import subprocess as sp, urllib.request
from pathlib import Path
from requests import Session, post as send
import requests, httpx
seen = []
table = {}
count = 0
"""
FIRST_LINE = HEADER.count("\n") + 2  # the first line within the function


def kinds(body: str, parameters: str = "a=None, b=[]") -> list[tuple[int, EffectKind]]:
    """Findings of a function with this body, with lines counted from its first."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    source = f"{HEADER}def tool({parameters}):\n{indented}"
    return [(finding.line - FIRST_LINE + 1, finding.kind) for finding in inspect_source(source)]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('open(a, "w")', EffectKind.FILES),
        ('open(a, mode="ab")', EffectKind.FILES),
        ('open(a, "r+")', EffectKind.FILES),
        ('open(a, "x")', EffectKind.FILES),
        ("open(a, mode)", EffectKind.FILES),
        ('with io.open(a, "w") as f: pass', EffectKind.FILES),
        ('Path(a).open("w")', EffectKind.FILES),
        ('Path(a).write_text("x")', EffectKind.FILES),
        ("a.unlink()", EffectKind.FILES),
        ("a.mkdir()", EffectKind.FILES),
        ('(Path(a) / "b").rename("c")', EffectKind.FILES),
        ('Path(a).parent.replace("c")', EffectKind.FILES),
        ("os.remove(a)", EffectKind.FILES),
        ('os.rename(a, "b")', EffectKind.FILES),
        ("shutil.rmtree(a)", EffectKind.FILES),
        ("a.to_csv('x.csv')", EffectKind.FILES),
        ("shelve.open(a)", EffectKind.FILES),
        ("global count\ncount += 1", EffectKind.GLOBALS),
        ("global count\ncount, x = 1, 2", EffectKind.GLOBALS),
        ("seen.append(1)", EffectKind.GLOBALS),
        ("table['x'] = 1", EffectKind.GLOBALS),
        ("table['x']['y'] = 1", EffectKind.GLOBALS),
        ("del table['x']", EffectKind.GLOBALS),
        ("table['x'] += 1", EffectKind.GLOBALS),
        ("b.append(1)", EffectKind.GLOBALS),
        ("tool.cache = 1", EffectKind.GLOBALS),
        ("sys.path = []", EffectKind.GLOBALS),
        ("random.seed(1)", EffectKind.GLOBALS),
        ("os.environ['X'] = '1'", EffectKind.ENVIRONMENT),
        ("del os.environ['X']", EffectKind.ENVIRONMENT),
        ("os.environ.update(X='1')", EffectKind.ENVIRONMENT),
        ("os.putenv('X', '1')", EffectKind.ENVIRONMENT),
        ("os.chdir('/')", EffectKind.DIRECTORY),
        ("sp.run(['ls'])", EffectKind.PROCESS),
        ("os.system('ls')", EffectKind.PROCESS),
        ("import multiprocessing as m; m.Pool()", EffectKind.PROCESS),
        ("a.execute('INSERT INTO t VALUES (1)')", EffectKind.DATABASE),
        ("a.execute('  update t set x = 1')", EffectKind.DATABASE),
        ("a.execute('-- note\\nDELETE FROM t')", EffectKind.DATABASE),
        ("a.execute('WITH x AS (SELECT 1) DELETE FROM t')", EffectKind.DATABASE),
        ("a.executescript('SELECT 1; DROP TABLE t')", EffectKind.DATABASE),
        ("a.execute(f'DELETE FROM {a}')", EffectKind.DATABASE),
        ("a.execute('INSERT ' + 'INTO t')", EffectKind.DATABASE),
        ("a.execute(text('CREATE TABLE t (x)'))", EffectKind.DATABASE),
        ("a.commit()", EffectKind.DATABASE),
        ("requests.post(a)", EffectKind.NETWORK),
        ("send(a)", EffectKind.NETWORK),
        ("httpx.delete(a)", EffectKind.NETWORK),
        ("requests.request('PUT', a)", EffectKind.NETWORK),
        ("requests.request(method='patch', url=a)", EffectKind.NETWORK),
        ("Session().post(a)", EffectKind.NETWORK),
        ("urllib.request.urlopen(a, b'x')", EffectKind.NETWORK),
        ("urllib.request.Request(a, method='DELETE')", EffectKind.NETWORK),
        ("smtplib.SMTP('x').send_message(a)", EffectKind.NETWORK),
        ("client.agents.blocks.update('x')", EffectKind.MEMORY),
        ("agent_state.memory.update_block_value('x', 'y')", EffectKind.MEMORY),
    ],
)
def test_a_side_effect_is_found_at_its_line(body: str, kind: EffectKind) -> None:
    lines = body.count("\n")
    assert kinds(f"x = 1\n{body}") == [(2 + lines, kind)]


@pytest.mark.parametrize(
    "body",
    [
        "open(a)",
        'open(a, "rb")',
        'open(a, encoding="utf-8")',
        'Path(a).open("rb")',
        "Path(a).read_text()",
        '"x".replace("a", "b")',
        "a.rename(columns={})",
        "mine = []\nmine.append(1)",
        "seen = []\nseen.append(1)",
        "a.append(1)",
        "x = table['x']",
        "count = 1",
        "os.environ['X']",
        "os.environ.get('X')",
        "os.getcwd()",
        "requests.get(a)",
        "requests.request('GET', a)",
        "urllib.request.urlopen(a)",
        "urllib.request.Request(a, data=None)",
        "a.post(1)",
        "a.execute('SELECT replace(x, 1, 2) FROM t')",
        "a.execute('SELECT updated FROM t')",
        "client.agents.blocks.retrieve('x')",
        "time.time()",
        "d = sqlite3.connect(':memory:')\nd.execute('CREATE TABLE t (x)')\nd.commit()",
    ],
)
def test_what_changes_nothing_is_not_reported(body: str) -> None:
    assert kinds(body) == []


def test_a_database_in_a_file_is_reported_even_beside_one_in_memory() -> None:
    body = "d = sqlite3.connect(':memory:')\ne = sqlite3.connect('a.db')\ne.execute('CREATE TABLE t (x)')"
    assert kinds(body) == [(3, EffectKind.DATABASE)]


def test_variables_are_followed_to_what_made_them() -> None:
    body = (
        "path = Path(a) / 'b'\npath.rename('c')\nsql = 'DELETE FROM t'\na.execute(sql)\n"
        "session = Session()\nsession.put('x')\nwith httpx.Client() as http:\n    http.post('x')"
    )
    expected = [(2, EffectKind.FILES), (4, EffectKind.DATABASE), (6, EffectKind.NETWORK), (8, EffectKind.NETWORK)]
    assert kinds(body) == expected


def test_a_name_made_from_the_clock_is_pointed_out_where_it_is_written_to() -> None:
    assert kinds("open(f'{time.time()}.txt', 'w')") == [(1, EffectKind.FILES), (1, EffectKind.ORDER)]


def test_a_helper_and_the_module_itself_are_looked_at_too() -> None:
    source = "import os\nos.chdir('/')\ndef save():\n    open('a', 'w')\ndef tool():\n    save()\n"
    assert [finding.line for finding in inspect_source(source)] == [2, 4]


def test_each_finding_is_one_plain_sentence() -> None:
    (finding,) = inspect_source("def tool():\n    open('a', 'w')\n")
    expected = 'Opens a file for writing (mode "w"): calls that overlap can overwrite or remove each other\'s files.'
    assert (finding.line, finding.kind, finding.text) == (2, EffectKind.FILES, expected)


def test_findings_come_in_the_order_of_the_lines_each_once() -> None:
    found = kinds("open('b', 'w'); open('c', 'w')\nseen.append(1)\nopen('a', 'w')")
    assert found == [(1, EffectKind.FILES), (2, EffectKind.GLOBALS), (3, EffectKind.FILES)]


@pytest.mark.parametrize(
    "source", ["", "def f(:", "x = '\0'", "x = " + "-" * 5000 + "1", "x = " + "+".join("1" * 5000)]
)
def test_a_source_that_cannot_be_parsed_gives_no_findings(source: str) -> None:
    assert inspect_source(source) == ()


def test_texts_that_double_stay_small() -> None:
    doubling = "".join(f"s{n + 1} = s{n} + s{n}\n" for n in range(200))
    (finding,) = inspect_source(f"s0 = 'DELETE FROM t;'\n{doubling}db.execute(s200)\n")
    assert finding.kind is EffectKind.DATABASE


@given(st.text())
def test_any_text_is_inspected_without_an_exception(source: str) -> None:
    assert isinstance(inspect_source(source), tuple)
