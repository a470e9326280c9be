"""The nodes of a Ray cluster, by Ray Train: it finds room on several at once, starts a process on each and ends all
when one of them dies. Each of these starts an agent, and PyTorch connects them.

Ray's own processes read this module too, with whatever Python the cluster has: nothing of the studio is imported here
but the plain data of the protocol.
"""

import contextlib
import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from typing import Any

from studio import codec
from studio.errors import RunError
from studio.files import HELD_PORT
from studio.jobs.places.protocol import AGENT_VARIABLE, NODE_ADDRESS, AgentSpec, NoRoom

UNREACHABLE = "STUDIO_NODE_UNREACHABLE"
REACH_SECONDS = 15.0
_MOST_AT_ONCE = 4096
START_SECONDS = 30
"""So long Ray looks for room before the nodes are counted again."""

_SETTINGS = {  # what Ray Train does beside starting and watching processes takes memory on the head
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(START_SECONDS),
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}
_NO_ROOM = ("WorkerGroupStartupTimeoutError", "InsufficientClusterResourcesError")
"""What Ray Train raises where nodes are busy."""

_DIED_AT_START = "WorkerGroupStartupFailedError"

_DIES_WITH_PARENT = 1


class RayNodes:
    """The cluster that this process is a job of. Raises ImportError and RuntimeError where it cannot be used."""

    def __init__(self, spec: AgentSpec) -> None:
        os.environ.update(_SETTINGS)
        import ray
        import ray.train.v2.api.data_parallel_trainer as trainer

        self._ray: Any = ray
        self._trainer: Any = trainer
        self._spec = spec
        ray.init(log_to_driver=False)
        asked = {"CPU": spec.cpus, "GPU": spec.gpus, "memory": spec.memory_bytes}
        self._asked = {name: value for name, value in asked.items() if value} or {"CPU": 0.001}

    def count(self) -> int:
        nodes = [each["Resources"] for each in self._ray.nodes() if each["Alive"]]
        return sum(all(has.get(name, 0) >= value for name, value in self._asked.items()) for has in nodes)

    def train(self, nodes: int) -> bool:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

        # A node that dies ends the attempt: the studio then starts another one, from the newest checkpoint.
        never = FailureConfig(max_failures=0, controller_failure_limit=0, max_preemption_failures=0)
        with tempfile.TemporaryDirectory(prefix="lora-studio-train-") as kept:
            made = self._trainer.DataParallelTrainer(
                take_part,
                train_loop_config={
                    "spec": codec.dumps(self._spec),
                    "python": self._spec.python,
                    "head": self._ray.get_runtime_context().gcs_address,
                },
                scaling_config=ScalingConfig(
                    num_workers=nodes,
                    use_gpu=bool(self._spec.gpus),
                    resources_per_worker=self._asked,
                    placement_strategy="STRICT_SPREAD",
                ),
                run_config=RunConfig(storage_path=kept, failure_config=never),
            )
            try:
                made.fit()
            except WorkerGroupError as error:
                require_reached(str(error))
                return False
            except ControllerError as error:
                met = type(error.controller_failure).__name__
                if met in _NO_ROOM:
                    raise NoRoom from error
                if met != _DIED_AT_START:
                    raise
                return False
        return True


def require_reached(said: str) -> None:
    """Raise RunError where nodes said that they cannot reach one another: another attempt would not either."""
    if UNREACHABLE in said:
        raise RunError(
            "The nodes of the place cannot reach one another.",
            "A run on several nodes needs all ports between them to be open: let it have one node until then.",
        )


def take_part(settings: dict[str, str]) -> None:
    """Do the part of one node: start its agent, and wait for its end. Runs in a process that Ray has started there."""
    import ray
    from ray.train import get_context
    from ray.train.collective import barrier, broadcast_from_rank_zero

    node, nodes = get_context().get_world_rank(), get_context().get_world_size()
    address = ray.util.get_node_ip_address()
    with _listening(address) as used:  # held until the end, and handed on to the process that listens at it
        with _listening(address) as tried:
            known = (
                {"MASTER_ADDR": address, "MASTER_PORT": str(_port(used)), "tried": _port(tried)} if node == 0 else None
            )
            first = broadcast_from_rank_zero(known)
            require_reachable(first["MASTER_ADDR"], first.pop("tried"), node=node)
            barrier()
        places = {"GROUP_RANK": str(node), "GROUP_WORLD_SIZE": str(nodes), NODE_ADDRESS: address}
        held = {HELD_PORT: str(used.fileno())} if node == 0 else {}
        agent = subprocess.Popen(
            [*(shlex.split(settings["python"]) or [sys.executable]), "-m", "studio.workers.agent"],
            env={
                **os.environ,
                **first,
                **places,
                **held,
                AGENT_VARIABLE: settings["spec"],
                "RAY_ADDRESS": settings["head"],
            },
            stdin=subprocess.DEVNULL,
            pass_fds=(used.fileno(),) if node == 0 else (),
            preexec_fn=_die_with_parent,
        )
        if status := agent.wait():
            raise RuntimeError(f"The agent of node {node} ended with exit code {status}.")


def _die_with_parent() -> None:
    """Have the agent killed when Ray ends the process that started it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)


def _listening(address: str) -> socket.socket:
    """Listen at a free port of this node."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, 0), family=family, backlog=_MOST_AT_ONCE)


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def require_reachable(address: str, port: int, *, node: int) -> None:
    """Raise RuntimeError where the first node cannot be reached from this one: PyTorch would try for hours."""
    try:
        socket.create_connection((address, port), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise RuntimeError(f"{UNREACHABLE} (node {node}, {address}:{port}: {error})") from error
