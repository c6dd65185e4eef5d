"""What axe-core finds in a part of a page: the barriers that a program can see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# as `jlpm install` puts it there, pinned by yarn.lock
SCRIPT = (
    Path(__file__).resolve().parents[1] / "extensions/labextension/node_modules/axe-core/axe.min.js"
)
GRAVE = ("serious", "critical")
_RUN = """
async ([selectors, without]) => {
  const include = selectors.filter(one => document.querySelector(one)).map(one => [one]);
  if (!include.length) return null;
  const rules = Object.fromEntries(without.map(name => [name, { enabled: false }]));
  const found = await axe.run({ include }, { rules, resultTypes: ['violations'] });
  return found.violations.map(({ id, impact, help, nodes }) => ({
    id, impact, help,
    nodes: nodes.map(one => [one.target.flat().join(' '), one.failureSummary || ''])
  }));
}
"""


def barriers(
    page: Any,
    *selectors: str,
    impacts: tuple[str, ...] = GRAVE,
    without: tuple[str, ...] = (),
) -> list[str]:
    """Grave findings below `selectors`, as lines for people; empty if there are none.

    Args:
        page: A Playwright page (sync).
        selectors: CSS; those that match nothing are left out, but one has to match.
        impacts: Which findings count: of `minor`, `moderate`, `serious`, `critical`.
        without: Names of rules that are not looked at.

    Raises:
        FileNotFoundError: axe-core is not installed: `jlpm install` in extensions/labextension.
        LookupError: No selector matches.
    """
    if not SCRIPT.is_file():
        raise FileNotFoundError(f"{SCRIPT}: run `jlpm install` in extensions/labextension.")
    if not page.evaluate("() => typeof axe !== 'undefined'"):
        # by evaluation: a page may refuse scripts that its policy does not name
        page.evaluate(f"() => {{ {SCRIPT.read_text('utf-8')} }}")
    found = page.evaluate(_RUN, [list(selectors), list(without)])
    if found is None:
        raise LookupError(f"Nothing on the page is {' or '.join(selectors)}.")
    return [
        f"{one['impact']}: {one['help']} ({one['id']}) at {where}: {' '.join(why.split())}"
        for one in found
        if one["impact"] in impacts
        for where, why in one["nodes"]
    ]
