"""The part of the driver that is about one chat, besides its messages. Nothing here sends a message.

No call raises anything: what the page cannot answer has a safe answer.
"""

from typing import Protocol


class ChatCalls(Protocol):
    """Calls about the chat with this id."""

    async def is_new_chat(self, chat_id: str) -> bool:
        """Whether the person never wrote to the account, as WhatsApp's own limits of new chats judge it.

        True also if the page cannot tell: then one is more careful than necessary.
        """
        ...

    async def set_typing(self, chat_id: str, *, is_typing: bool) -> bool:
        """Show the person that the account is typing, or that it has stopped.

        False if the page could not: nobody has seen anything, and nothing else follows from it.
        """
        ...


TYPING_TIMEOUT_S = 2.0  # a page that takes longer does not hold up the message
IS_NEW_CHAT_TIMEOUT_S = 5.0
