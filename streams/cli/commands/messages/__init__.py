"""The commands about what messages say, one file for each noun. They parse options and print, and no more."""
