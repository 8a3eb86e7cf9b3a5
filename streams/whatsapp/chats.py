"""The part of the driver that is about one chat, besides its messages. Nothing here sends a message.

No call raises anything: what the page cannot answer has a safe answer. A page without these calls still sends: the
first two only make a sender more careful.
"""

from typing import Final, Protocol

# A page that takes longer does not hold up the message.
TYPING_TIMEOUT_S: Final = 2.0
IS_NEW_CHAT_TIMEOUT_S: Final = 5.0
DELETE_CHAT_TIMEOUT_S: Final = 60.0


class ChatCalls(Protocol):
    """Calls about the chat with this id."""

    async def is_new_chat(self, chat_id: str) -> bool:
        """Whether the person never wrote to the account, as WhatsApp's own limits of new chats judge it.

        It opens no chat, and asks no server.
        True also if the page cannot tell: then one is more careful than necessary.
        """
        ...

    async def set_typing(self, chat_id: str, *, is_typing: bool) -> bool:
        """Show the person that the account is typing, or that it has stopped.

        False if the page could not: nobody has seen anything, and nothing else follows from it.
        """
        ...

    async def delete_chat(self, chat_id: str) -> bool | None:
        """Delete the chat and its messages, as a person does in WhatsApp Web.

        Whether there was one; None: the page cannot do it now, and it is to be tried again.
        """
        ...
