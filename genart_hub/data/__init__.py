"""Pictures for training and measuring: a folder, parquet files or a dataset of the Hub become one uint8 tensor, decoded once."""

from genart_hub.data.batches import Batches
from genart_hub.data.pictures import Pictures, to_images
from genart_hub.data.sources import load, smallest_side

__all__ = ["Batches", "Pictures", "load", "smallest_side", "to_images"]
