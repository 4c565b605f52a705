from typing import Final

from genart_hub import data as data
from genart_hub import errors as errors
from genart_hub import evaluate as evaluate
from genart_hub import hub as hub
from genart_hub import images as images
from genart_hub import latents as latents
from genart_hub import losses as losses
from genart_hub import metrics as metrics
from genart_hub import models as models
from genart_hub import train as train
from genart_hub import ui as ui
from genart_hub.models import MODELS as MODELS
from genart_hub.models import stable_diffusion as stable_diffusion
from genart_hub.models.auto import FAMILIES as FAMILIES
from genart_hub.models.auto import bundled as bundled
from genart_hub.models.auto import from_pretrained as from_pretrained
from genart_hub.models.auto import list_models as list_models
from genart_hub.models.auto import register as register
from genart_hub.models.auto import search as search

__all__ = ["MODELS", "__version__", "bundled", "from_pretrained", "list_models", "register", "search"]
__version__: Final[str]
