"""The app of genart_hub: `python app.py`, then open the address that it prints."""

from genart_hub import ui

if __name__ == "__main__":
    ui.launch()
