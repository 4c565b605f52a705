import sys

from genart_hub.cli import main

sys.exit(main())
