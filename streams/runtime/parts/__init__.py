"""Parts of Faust that our app replaces."""
