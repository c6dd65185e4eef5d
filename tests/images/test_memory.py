"""When memory runs out, the kernel goes and the server stays, and the cell says why."""

import asyncio
import json

import pytest
from image_kernel import PROTOCOL, Kernel
from image_server import Server, Start

MIB = 1024**2
# touch memory in steps, so that the limit and nothing else ends it
EAT = """
print("before", flush=True)
hold = []
while True:
    hold.append(bytearray(16 * 2**20))
"""


@pytest.mark.parametrize("protocol", [PROTOCOL, ""], ids=["binary", "json"])
async def test_a_kernel_that_runs_out_of_memory_dies_alone_and_says_why(
    start: Start, protocol: str
) -> None:
    server = start(memory=400 * MIB, cpus=2)
    server.wait()
    async with Kernel(server, protocol=protocol) as kernel:
        assert await kernel.run("1 + 1") == "2"
        request = await kernel.send(EAT)
        seen = []
        async with asyncio.timeout(60):
            while True:
                message = await kernel.receive()
                if message["header"]["msg_type"] == "stream":
                    seen.append((message["parent_header"].get("msg_id"), message["content"]))
                if message["content"].get("execution_state") == "restarting":
                    break
        # what the cell printed, then the explanation, both in the cell's output
        assert [parent for parent, _ in seen] == [request, request]
        assert seen[0][1]["text"] == "before\n"
        assert seen[1][1]["name"] == "stderr"
        assert "ran out of memory" in seen[1][1]["text"]
        assert "400 MiB" in seen[1][1]["text"]
        assert "chunks={}" in seen[1][1]["text"]
    with server.http() as http:
        assert http.get("api/status").status_code == 200
    server.container.reload()
    assert server.container.status == "running"
    async with Kernel(server) as kernel:
        assert await kernel.run("2 + 2") == "4"


async def test_a_kernel_killed_by_hand_is_not_said_to_have_run_out_of_memory(
    server: Server,
) -> None:
    async with Kernel(server) as kernel:
        await kernel.run("1")
        await kernel.send("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        async with asyncio.timeout(60):
            while True:
                message = await kernel.receive()
                assert message["header"]["msg_type"] != "stream", message
                if message["content"].get("execution_state") == "restarting":
                    break


async def test_the_system_takes_kernels_and_terminals_before_the_server(server: Server) -> None:
    assert server.run("cat", "/proc/1/oom_score_adj").strip() == "0"
    async with Kernel(server) as kernel:
        code = "print(open('/proc/self/oom_score_adj').read())"
        assert (await kernel.run(code)).strip() == "900"
        # and whatever a kernel starts
        child = (
            f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {json.dumps(code)}])"
        )
        assert "900" in await kernel.run(child)
    with server.http() as http:
        name = http.post("api/terminals").raise_for_status().json()["name"]
    scores = server.run("sh", "-c", "for p in $(pgrep bash); do cat /proc/$p/oom_score_adj; done")
    assert "800" in scores.split(), scores
    with server.http() as http:
        http.delete(f"api/terminals/{name}")
