"""Side effects that a single call expression has, found by the name that is called and its literal arguments."""

import ast
import re
from collections.abc import Iterator

from tools.effects import Effect, EffectKind
from tools.names import Names

_FILE_FUNCTIONS = {
    *("os.remove", "os.unlink", "os.rename", "os.renames", "os.replace", "os.mkdir", "os.makedirs", "os.rmdir"),
    *("os.removedirs", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.mkfifo"),
    *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move", "shutil.rmtree"),
    *("shutil.make_archive", "shutil.unpack_archive", "shelve.open", "dbm.open", "numpy.save", "numpy.savez"),
    *("logging.FileHandler", "matplotlib.pyplot.savefig"),
}
_FILE_METHODS = {"write_text", "write_bytes", "unlink", "mkdir", "rmdir", "touch", "symlink_to", "hardlink_to"}
_FILE_METHODS |= {"savefig", "to_csv", "to_excel", "to_parquet", "to_feather", "to_pickle", "to_hdf"}
_PATH_METHODS = {"rename", "replace", "chmod", "write"}
_OPENERS = {
    *("open", "io.open", "codecs.open", "os.fdopen", "gzip.open", "bz2.open", "lzma.open", "aiofiles.open"),
    *("zipfile.ZipFile", "tarfile.open"),
}
_ENVIRONMENT = {"os.putenv", "os.unsetenv", "dotenv.load_dotenv"}
_ENVIRONMENT |= {f"os.environ.{method}" for method in ("update", "setdefault", "pop", "popitem", "clear")}
_DIRECTORY = {"os.chdir", "os.fchdir", "contextlib.chdir", "os.chroot"}
_PROCESS_PREFIXES = ("subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "multiprocessing.", "pty.")
_PROCESS = {"os.system", "os.popen", "os.fork", "os.kill", "os.killpg"}
_PROCESS |= {"asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"}
_PROCESS |= {"concurrent.futures.ProcessPoolExecutor"}
_PROCESS_CONSTANTS = {"subprocess.list2cmdline", "multiprocessing.cpu_count", "multiprocessing.current_process"}
_PROCESS_WIDE = {
    *("os.umask", "os.nice", "os.setuid", "os.setgid", "signal.signal", "signal.alarm", "locale.setlocale"),
    *("resource.setrlimit", "sys.setrecursionlimit", "random.seed", "numpy.random.seed", "time.tzset"),
    *("decimal.setcontext", "socket.setdefaulttimeout"),
}
_HTTP_MODULES = ("requests.", "httpx.")
_HTTP_CLIENTS = {"requests.Session", "requests.session", "httpx.Client", "httpx.AsyncClient", "aiohttp.ClientSession"}
_HTTP_WRITES = {"post": "POST", "put": "PUT", "patch": "PATCH", "delete": "DELETE"}
_URLOPEN = {"urllib.request.urlopen", "urllib.request.Request"}
_MAIL_CLIENTS = {"smtplib.SMTP", "smtplib.SMTP_SSL"}
_SQL_METHODS = {"execute", "executemany", "executescript"}
_SQL_WORDS = "INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|TRUNCATE|MERGE|VACUUM|GRANT|REVOKE|COPY"
_SQL_WRITE = re.compile(rf"(?:^|;)\s*(?:WITH\b.*\)\s*)?({_SQL_WORDS})\b", re.IGNORECASE | re.DOTALL)
_SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_CLIENT_VERBS = {"create", "update", "modify", "delete", "attach", "detach", "upsert", "append", "insert", "reset"}
_CLOCK = {"time.time", "time.time_ns", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.now"}
_CLOCK |= {"datetime.utcnow", "time.strftime", "datetime.date.today"}


def effects_of_call(call: ast.Call, names: Names) -> Iterator[Effect]:
    """What the call changes outside the tool; for a write whose target is named by the clock, that too."""
    found = [effect for rule in _RULES for effect in rule(call, names)]
    yield from found
    if found and any(names.of_call(inner) in _CLOCK for inner in _inner_calls(call)):
        yield Effect(EffectKind.ORDER, "Uses the clock to name or mark what it writes")


def _inner_calls(call: ast.Call) -> Iterator[ast.Call]:
    for part in [*call.args, *(keyword.value for keyword in call.keywords)]:
        yield from (node for node in ast.walk(part) if isinstance(node, ast.Call))


def _file_effects(call: ast.Call, names: Names) -> Iterator[Effect]:
    name, method = names.of_call(call), _method(call)
    if name in _FILE_FUNCTIONS:
        yield Effect(EffectKind.FILES, f"Changes files with {name}")
    elif method in _FILE_METHODS or (method in _PATH_METHODS and _receiver(call, names) == "pathlib.Path"):
        yield Effect(EffectKind.FILES, f"Changes files with .{method}()")
    elif name in _OPENERS or (method == "open" and _receiver(call, names) == "pathlib.Path"):
        yield from _opening(call, 0 if method == "open" and name not in _OPENERS else 1)


def _opening(call: ast.Call, place: int) -> Iterator[Effect]:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    mode = named[0] if named else call.args[place] if len(call.args) > place else None
    match mode:
        case None:
            return
        case ast.Constant(value=str(text)):
            if set(text) & set("wax+"):
                yield Effect(EffectKind.FILES, f'Opens a file for writing (mode "{text}")')
        case _:
            yield Effect(EffectKind.FILES, "Opens a file in a mode that is decided while it runs")


def _process_effects(call: ast.Call, names: Names) -> Iterator[Effect]:
    name = names.of_call(call)
    if name in _ENVIRONMENT:
        yield Effect(EffectKind.ENVIRONMENT, f"Changes environment variables with {name}")
    elif name in _DIRECTORY:
        yield Effect(EffectKind.DIRECTORY, f"Changes the working directory with {name}")
    elif name in _PROCESS or (name.startswith(_PROCESS_PREFIXES) and name not in _PROCESS_CONSTANTS):
        yield Effect(EffectKind.PROCESS, f"Starts or controls another program with {name}")
    elif name in _PROCESS_WIDE:
        yield Effect(EffectKind.GLOBALS, f"Changes a setting of the whole process with {name}")


def _network_effects(call: ast.Call, names: Names) -> Iterator[Effect]:
    name, method = names.of_call(call), _method(call)
    verb = ""
    if name.startswith(_HTTP_MODULES) or _receiver(call, names) in _HTTP_CLIENTS:
        last = method or name.rsplit(".", 1)[-1]
        verb = _HTTP_WRITES.get(last, "") or (_requested_verb(call) if last in {"request", "stream"} else "")
    elif name in _URLOPEN:
        verb = _urllib_verb(call)
    elif _receiver(call, names) in _MAIL_CLIENTS and method in {"sendmail", "send_message"}:
        yield Effect(EffectKind.NETWORK, "Sends mail")
    if verb:
        yield Effect(EffectKind.NETWORK, f"Sends a {verb} request")


def _requested_verb(call: ast.Call) -> str:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "method"]
    verb = _constant_text(next(iter([*named, *call.args]), None)).upper()
    return verb if verb in _HTTP_WRITES.values() else ""


def _urllib_verb(call: ast.Call) -> str:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if "method" in named:
        verb = _constant_text(named["method"]).upper()
        return verb if verb in _HTTP_WRITES.values() else ""
    body = named.get("data") or (call.args[1] if len(call.args) > 1 else None)
    return "" if body is None or (isinstance(body, ast.Constant) and body.value is None) else "POST"


def _database_effects(call: ast.Call, names: Names) -> Iterator[Effect]:
    method = _method(call)
    if names.has_only_memory_databases:
        return  # such a database belongs to one call alone
    if method == "commit" and not call.args:
        yield Effect(EffectKind.DATABASE, "Commits a database transaction")
    elif method in _SQL_METHODS and call.args:
        written = _SQL_WRITE.search(_SQL_COMMENT.sub(" ", names.text_of(call.args[0])))
        if written:
            yield Effect(EffectKind.DATABASE, f"Runs SQL that writes ({written[1].upper()})")


def _memory_effects(call: ast.Call, names: Names) -> Iterator[Effect]:
    path = names.of_call(call)
    method = path.rsplit(".", 1)[-1]
    if path.startswith("client.") and method in _CLIENT_VERBS:
        yield Effect(EffectKind.MEMORY, f"Changes agents or memory with {path}")
    elif path.startswith("agent_state.") and re.match(
        r"update|set|add|create|remove|delete|append|insert|link", method
    ):
        yield Effect(EffectKind.MEMORY, f"Changes the agent's memory with {path}")


_RULES = (_file_effects, _process_effects, _network_effects, _database_effects, _memory_effects)


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _receiver(call: ast.Call, names: Names) -> str:
    return names.type_of(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def _constant_text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
