"""The client package of every image: there, and of use where the VRE put nothing."""

from __future__ import annotations

from image_kernel import Kernel
from image_server import Server


async def test_the_client_finds_what_is_there_and_says_what_is_not(server: Server) -> None:
    async with Kernel(server) as kernel:
        code = """
from pelagos_client import PelagosError, dataspace, workspace
for look in (workspace.path, dataspace.path, workspace.status):
    try:
        print(look())
    except PelagosError as error:
        print(type(error).__name__)
"""
        # this server has no dataspace and no workspace service; its home has a way to ~/workspace
        printed = (await kernel.run(code)).split()
    assert printed[1] == "NotAvailableError"
    assert printed[2] == "NotConfiguredError"
