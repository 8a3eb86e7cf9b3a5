"""How far a request to forget a recipient is, and what the senders are to do: records of `wa.internal.forget`.

Only an instruction names the recipient. Its sender replaces it when it is done. Decides nothing.
"""

from streams.dispatch.publisher import OutgoingRecord
from streams.domain import forgetting
from streams.domain.forgetting import ForgetInstruction
from streams.domain.phone.effects import InstructForget, PublishForgetReport


class ForgetRecords:
    """Makes the records of the topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def map_effect(
        self, phone: str, effect: PublishForgetReport | InstructForget
    ) -> OutgoingRecord:
        """The record of the effect of this phone's row."""
        if isinstance(effect, PublishForgetReport):
            value = None if effect.report is None else forgetting.encode(effect.report)
            key = forgetting.report_key(effect.request_id, phone)
            return OutgoingRecord(self._topic, value, key=key)
        instruction = ForgetInstruction(
            account=effect.account,
            request_id=effect.request_id,
            phone=phone,
            chat_id=effect.chat_id,
            before_offset=effect.before_offset,
        )
        key = forgetting.account_key(effect.account, effect.request_id, phone)
        return OutgoingRecord(self._topic, forgetting.encode(instruction), key=key)
