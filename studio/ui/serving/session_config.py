"""What Gradio keeps of the page for each visitor, made once for all of them.

Gradio describes every component again for each new session, while nobody else is answered: 0.1 seconds and 1 MB each
for a page of 600 components. A session changes the value alone, so the rest of a description is shared.
"""

from typing import Any

import gradio as gr
from gradio.blocks import Block, BlocksConfig
from gradio.renderable import Renderable

Description = dict[str, Any]


class _PageConfig(BlocksConfig):
    """The page's own; a session gets its copy of it."""

    known: dict[int, Description]

    def __copy__(self) -> "_SessionConfig":
        new = _SessionConfig(self.root_block)
        vars(new).update(vars(super().__copy__()))  # type: ignore[no-untyped-call]
        new.known = self.known
        return new


class _SessionConfig(BlocksConfig):
    """A session's copy. What the session has changed is described by Gradio."""

    known: dict[int, Description]

    def config_for_block(  # type: ignore[override]
        self,
        _id: int,
        rendered_ids: list[int],
        block: Block,
        renderable: Renderable | None = None,
    ) -> Description:
        """Describe a component; of one that is the page's own, a copy of which the value may be replaced."""
        known = self.known.get(_id)
        if known is None or renderable is not None or block is not self.root_block.blocks.get(_id):
            return super().config_for_block(_id, rendered_ids, block, renderable)
        return {**known, "props": {**known["props"]}}


def share(page: gr.Blocks) -> None:
    """Make sessions of a page that is built share what they do not change."""
    whole = _PageConfig(page)
    vars(whole).update(vars(page.default_config))
    whole.known = {id: BlocksConfig.config_for_block(id, [], block) for id, block in page.blocks.items()}
    page.default_config = whole
