"""The server extension: what is configured, its routes and its events."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Unicode

from jupyterlab_pelagos.handlers import about, basket, catalogue, orders, preview, storage
from jupyterlab_pelagos.shared import CHANGED, Shared

_SCHEMA = Path(__file__).with_name("events") / "changed.yaml"
PARTS = (about, catalogue, preview, basket, orders, storage)


class PelagosExtension(ExtensionApp):
    """Marine data: handlers in front of pelagos_client and the services of a hub."""

    name = "jupyterlab_pelagos"
    extension_url = "/pelagos/about"
    load_other_extensions = True

    catalogue_url = Unicode(
        "",
        config=True,
        help="Address of a STAC API that is searched in place of the VRE's catalogue.",
    )
    order_folder = Unicode(
        "pelagos-orders",
        config=True,
        help="Where orders go that no data pool carries out: a folder below the root folder.",
    )

    def initialize_handlers(self) -> None:
        """Register the event and all routes."""
        app: Any = self.serverapp
        loop_holder: dict[str, Any] = {}
        app.event_logger.register_event_schema(_SCHEMA)

        def emit(data: dict[str, Any]) -> None:
            loop = loop_holder.setdefault("loop", app.io_loop)
            loop.add_callback(lambda: app.event_logger.emit(schema_id=CHANGED, data=data))

        def active() -> None:
            times = app.web_app.settings.setdefault("last_activity_times", {})
            times["pelagos"] = datetime.now(UTC)

        shared = Shared(
            root=Path(app.root_dir).resolve(),
            catalogue_url=self.catalogue_url,
            order_folder=self.order_folder,
            emit_event=emit,
            active=active,
            log=self.log,
            kernels=lambda: len(app.kernel_manager.list_kernel_ids()),
        )
        # the extension's own settings are a copy, made before
        self.settings["pelagos_shared"] = app.web_app.settings["pelagos_shared"] = shared
        for part in PARTS:
            self.handlers.extend(part.routes(shared))

    async def stop_extension(self) -> None:
        """End the threads that follow orders."""
        shared = self.settings.get("pelagos_shared")
        if shared is not None:
            await asyncio.to_thread(shared.stop)
