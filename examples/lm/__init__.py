"""The parts of the language model example: its corpus, its model, its training."""
