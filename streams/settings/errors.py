"""The one error of this package. Imports nothing, so that every other module may raise it."""


class SettingError(ValueError):
    """A setting is wrong. The message names it, the value found and what is needed, in one line."""
