"""Run a command beside a real SLURM that this script starts and stops:   make test-cluster

python scripts/slurm_local.py [--optional] [--nodes N] [--cpus N] [--gpus N] COMMAND …

One slurmctld, one munged and one slurmd per node, in a temporary folder, without systemd, cgroups and accounting. Nodes
are this machine under several names. GPUs are fake: generic resources on copies of /dev/null, so that jobs get
CUDA_VISIBLE_DEVICES. Needs root; installs Debian's slurm-wlm and munge if apt-get is there. The command finds
the cluster through SLURM_CONF, and SDBATCH_CLUSTER=1 requires the tests of tests/cluster/. The exit code is the
command's. With --optional a machine that cannot run SLURM is reported, and the exit code is 0.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
SECONDS = 30.0  # for a daemon to start
SBIN = "/usr/sbin:/sbin"

# Proctrack, task and accounting plugins that need no cgroups, no systemd and no database. The nodes are larger than the
# machine: config_overrides allows it.
CONF = """\
ClusterName=sdbatch
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MaxArraySize=1001
JobRequeue=1
MinJobAge=3600
KillWait=10
OverTimeLimit=0
InactiveLimit=0
SlurmctldTimeout=60
SlurmdTimeout=60
GresTypes=gpu
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=1-00:00:00 State=UP OverSubscribe=NO
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory={mb}{gres} State=UNKNOWN"
)


class UnavailableError(Exception):
    """This machine cannot run SLURM."""


def install() -> None:
    """Install the packages that are missing. Raises UnavailableError."""
    if os.geteuid() != 0 or sys.platform != "linux":
        raise UnavailableError("needs Linux and root")
    os.environ["PATH"] = f"{os.environ['PATH']}:{SBIN}"
    if all(map(shutil.which, DAEMONS)):
        return
    if not shutil.which("apt-get"):
        raise UnavailableError(f"needs {' and '.join(PACKAGES)}, and there is no apt-get to install them")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
        if subprocess.run(["apt-get", *command], check=False, env=quiet, stdout=sys.stderr).returncode:  # noqa: S603, S607
            raise UnavailableError(f"apt-get {command[0]} failed")


def write_conf(folder: Path, nodes: int, cpus: int, gpus: int) -> list[str]:
    """Write the configuration of the cluster; the names of its nodes."""
    host = socket.gethostname().partition(".")[0]
    ports = _free_ports(nodes + 1)
    names = [f"node{n}" for n in range(nodes)]
    mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 // nodes * 9 // 10
    gres = f" Gres=gpu:{gpus}" if gpus else ""
    lines = [
        NODE.format(name=name, host=host, port=port, cpus=cpus, mb=mb, gres=gres)
        for name, port in zip(names, ports[1:], strict=True)
    ]
    (folder / "slurm.conf").write_text(
        CONF.format(host=host, port=ports[0], folder=folder, nodes="\n".join(lines)), "utf-8"
    )
    cards = []
    for n in range(gpus):  # SLURM gives an index only to character devices whose name ends in one
        os.mknod(card := folder / f"gpu{n}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        cards.append(f"Name=gpu File={card}\n")
    (folder / "gres.conf").write_text("".join(cards), "utf-8")
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
    (folder / "munge.key").chmod(0o400)
    return names


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


@contextmanager
def cluster(nodes: int = 2, cpus: int = 4, gpus: int = 2) -> Iterator[Path]:
    """A running cluster; its folder. SLURM_CONF is set meanwhile. Raises UnavailableError."""
    install()
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        names = write_conf(folder, nodes, cpus, gpus)
        _start(folder, names, daemons)
        yield folder
    finally:
        _stop(daemons)
        del os.environ["SLURM_CONF"]
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, names: Sequence[str], daemons: list[subprocess.Popen[bytes]]) -> None:
    def begin(*command: str) -> None:
        with (folder / "daemons.log").open("ab") as log:
            daemons.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))  # noqa: S603

    munge = {
        "key-file": "munge.key",
        "socket": "munge.socket",
        "pid-file": "munged.pid",
        "log-file": "munged.log",
        "seed-file": "munge.seed",
    }
    begin("munged", "--foreground", "--force", *(f"--{key}={folder / name}" for key, name in munge.items()))
    _until((folder / "munge.socket").exists, folder, "munged")
    begin("slurmctld", "-D")
    _until(lambda: _said("scontrol", "ping").endswith("is UP"), folder, "slurmctld")
    for name in names:
        begin("slurmd", "-D", "-N", name)
    _until(lambda: _said("sinfo", "-h", "-o", "%t %D") == f"idle {len(names)}", folder, "slurmd")


def _said(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _until(ready: Callable[[], bool], folder: Path, what: str) -> None:
    end = time.monotonic() + SECONDS
    while not ready():
        if time.monotonic() > end:
            logs = "\n".join(f"{p.name}: {p.read_text('utf-8', 'replace')[-2000:]}" for p in folder.glob("*.log"))
            raise UnavailableError(f"{what} did not start\n{logs}")
        time.sleep(0.1)


def _stop(daemons: Sequence[subprocess.Popen[bytes]]) -> None:
    """Cancel all jobs of this cluster and end its daemons, the last one first."""
    if len(daemons) > 1:
        for command in (
            ("scancel", "--quiet", "--user=root"),
            ("scancel", "--quiet", "--user=root", "--signal=KILL", "--full"),
        ):
            _said(*command)
            end = time.monotonic() + 5
            while _said("squeue", "-h", "-t", "running,completing") and time.monotonic() < end:
                time.sleep(0.1)
    for daemon in reversed(daemons):
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def main() -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optional", action="store_true")
    for name, default in (("nodes", 2), ("cpus", 4), ("gpus", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the daemons are stopped
    try:
        with cluster(given.nodes, given.cpus, given.gpus) as folder:
            environment = {**os.environ, "SDBATCH_CLUSTER": "1", "SLURM_LOCAL": str(folder)}
            code = subprocess.run(given.command, check=False, env=environment).returncode  # noqa: S603
            return 128 - code if code < 0 else code
    except UnavailableError as e:
        sys.stderr.write(f"THE CLUSTER TESTS WERE NOT RUN: {e}\n")
        return 0 if given.optional else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
