"""What the accounts can do now, and the draw of one among many: all of it changed account by account."""
