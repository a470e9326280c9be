"""What a person looks at on the Export tab."""

from dataclasses import dataclass

from studio.jobs.exports import ADAPTER, Q8_0

PRIVATE, PUBLIC = "private", "public"


@dataclass(frozen=True)
class Selection:
    """The run that is exported, empty where there is none, and how the weights of a GGUF are packed.

    The rest is what shall be published: which export, where, and who sees it. `card` is the model card that was shown
    for it, empty while none was.
    """

    run_id: str = ""
    quantisation: str = Q8_0
    publish_kind: str = ADAPTER
    repository: str = ""
    visibility: str = PRIVATE
    licence: str = ""
    card: str = ""
