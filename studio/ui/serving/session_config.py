"""What Gradio tells of the components of a page, made once for all that ask.

Gradio describes every component again each time: three times while a page is mounted, and for each new session, while
nobody else is answered. That is 0.1 seconds and 1 MB each for a page of 600 components. A session changes the value
alone, so the rest of a description is shared.
"""

from typing import Any

import gradio as gr
from gradio.blocks import Block, BlocksConfig
from gradio.renderable import Renderable

Description = dict[str, Any]


class _SharedConfig(BlocksConfig):
    """The page's own; a session gets its copy of it. What the session has changed is described by Gradio."""

    known: dict[int, Description]

    def __copy__(self) -> "_SharedConfig":
        new = _SharedConfig(self.root_block)
        vars(new).update(vars(super().__copy__()))  # type: ignore[no-untyped-call]
        new.known = self.known
        return new

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
    """Describe the components of a page that is built, once for all."""
    whole = _SharedConfig(page)
    vars(whole).update(vars(page.default_config))
    whole.known = {id: BlocksConfig.config_for_block(id, [], block) for id, block in page.blocks.items()}
    page.default_config = whole
