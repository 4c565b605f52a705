"""Saving, strict loading and publishing: folders of config.json and model.safetensors, here or on the Hub."""

from genart_hub.hub.model import HubModel

__all__ = ["HubModel"]
