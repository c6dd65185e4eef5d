"""The real downloader as a program, with a plain folder for deliveries."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from pelagos.datapool.delivery import DeliveryState, Outcome, Parcel
from pelagos.datapool.model import Target
from pelagos.deployment import Deployment, default_state
from pelagos.services.downloader.pace import Pace
from pelagos.services.downloader.service import prepare, serve


class Folders:
    """Parcels as folders below the state folder."""

    def __init__(self, deployment: Deployment) -> None:
        self._root = deployment.state.folder / "parcels"

    def deliver(self, parcel: Parcel) -> Outcome:
        folder = self._root / parcel.owner / str(parcel.number)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in parcel.documents.items():
            (folder / name).write_text(text)
        (folder / "links.json").write_text(json.dumps(dict(parcel.links)))
        return Outcome(DeliveryState.DONE, folder=f"orders/{parcel.number}")

    def there(self, owner: str, number: int, target: Target, folder: str = "") -> bool:
        return (self._root / owner / str(number)).is_dir()


def main() -> None:
    prepare()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop.set).start())
    pace = Pace(**json.loads(os.environ.get("TEST_PACE", "{}")))
    serve(Deployment.load(default_state()), stop, deliver=Folders, pace=pace)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
