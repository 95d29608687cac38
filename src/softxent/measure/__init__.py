"""Our functions beside the truth and beside their peers: speed, accuracy, memory, machine."""
