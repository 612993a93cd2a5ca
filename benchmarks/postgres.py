"""Starts a PostgreSQL of the distribution's package for contenders that need one, and ends it for certain.

It listens on a Unix socket alone, with the package's defaults; those that make it durable are said, not assumed. Since
it refuses to run as root, it then runs as the user that the package made. The kernel tells it to end when the process
that started it dies, by whatever means.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from question import Server

DEBIAN = Path("/usr/lib/postgresql")
USER = "postgres"
PORT = "5432"  # names the socket; there is no TCP
LONGEST_SOCKET = 107  # bytes of a path, Linux's sockaddr_un
READY_S = 60.0
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
}


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve an empty cluster in *folder* until left; its address is a connection string of libpq."""
    programs, data = installed(), folder / "postgres"
    if len(f"{data}/.s.PGSQL.{PORT}") > LONGEST_SOCKET:
        raise ValueError(f"the path of the socket in {data} would be longer than {LONGEST_SOCKET} bytes")
    own(data)
    settings = {**SETTINGS, "unix_socket_directories": str(data)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (data.parent / "postgres.log").open("w+b") as log:
        initdb = [str(programs / "initdb"), "-D", f"{data}/data", "-U", USER, "-A", "trust", "-E", "UTF8"]
        initialised(started([*initdb, "--no-locale", "--no-sync"], data, log.fileno()), Path(log.name))
        server = started([str(programs / "postgres"), "-D", f"{data}/data", "-p", PORT, *options], data, log.fileno())
        try:
            wait_until_ready(programs, data, server, Path(log.name))
            yield Server(address=f"host={data} port={PORT} user={USER} dbname=postgres", pid=server.pid)
        finally:
            end(server)


def installed() -> Path:
    """Return the folder of its programs: those on the path, else Debian's newest."""
    found = shutil.which("initdb")
    if found and (Path(found).resolve().parent / "postgres").exists():
        return Path(found).resolve().parent
    versions = sorted((one for one in DEBIAN.glob("*/bin") if (one / "initdb").exists()), key=version)
    if not versions:
        raise FileNotFoundError("PostgreSQL is not installed (Debian and Ubuntu: apt-get install postgresql)")
    return versions[-1]


def version(programs: Path) -> float:
    """Return the version that a folder such as ``/usr/lib/postgresql/15/bin`` is named for."""
    return float(programs.parent.name)


def user() -> pwd.struct_passwd:
    """Return whom it runs as when this process is root's."""
    try:
        return pwd.getpwnam(USER)
    except KeyError as missing:
        raise RuntimeError(f"PostgreSQL refuses to run as root, and there is no user {USER}") from missing


def own(data: Path) -> None:
    """Make the folder for the user that it will run as, who must be let through to it."""
    data.mkdir(mode=0o700)
    if os.geteuid() != 0:
        return
    os.chown(data, user().pw_uid, user().pw_gid)
    data.parent.chmod(0o711)
    for above in data.parents:
        if not above.stat().st_mode & stat.S_IXOTH:
            raise PermissionError(f"the user {USER} may not pass through {above}: choose another folder")


def started(command: Sequence[str], data: Path, log: int) -> subprocess.Popen[bytes]:
    """Start a program as the user that owns *data*; it gets a fast shutdown's signal when this process dies."""
    lowered = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        lowered += ["--reuid", str(user().pw_uid), "--regid", str(user().pw_gid), "--clear-groups"]
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    return subprocess.Popen(
        [*lowered, *command],
        cwd=data,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def initialised(initdb: subprocess.Popen[bytes], log: Path) -> None:
    """Return once there is a cluster; raises what was written when there is none in time."""
    try:
        code = initdb.wait(READY_S)
    except subprocess.TimeoutExpired:
        initdb.kill()
        code = initdb.wait()
    if code != 0:
        raise RuntimeError(f"PostgreSQL's initdb ended with {code}:\n{said(log)}")


def said(log: Path) -> str:
    """Return the end of what its programs wrote."""
    return log.read_text(errors="replace")[-2000:]


def wait_until_ready(programs: Path, data: Path, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return once it answers; raises what it wrote when it ends or does not in time."""
    asked = [str(programs / "pg_isready"), "-q", "-h", str(data), "-p", PORT]
    deadline = time.perf_counter() + READY_S
    while subprocess.run(asked, check=False).returncode != 0:
        if server.poll() is not None or time.perf_counter() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{said(log)}")
        time.sleep(0.05)


def end(server: subprocess.Popen[bytes]) -> None:
    """End it: a fast shutdown, else an immediate one, else the kernel's."""
    for how, patience_s in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        if server.poll() is None:
            server.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(patience_s)
