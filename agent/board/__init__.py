"""The board in the terminal, for mouse and keyboard, by Textual."""
