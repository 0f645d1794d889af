"""Every logged figure: its meaning, unit and healthy range."""
