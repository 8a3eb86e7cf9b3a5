"""How far a batch is, as a person or a program reads it: one line that is rewritten, and counts at the end."""

from streams.cli import output
from streams.contract.batch import BatchProgress
from streams.operations.batches import sending
from streams.settings import Settings

_COUNTS = (
    "accepted",
    "sent",
    "delivered",
    "read",
    "failed",
    "rejected",
    "expired",
    "cancelled",
    "unknown",
)


def print_progress(progress: BatchProgress, *, as_json: bool) -> None:
    """The batch, what became of its messages, and whether it is finished."""
    if as_json:
        output.print_json(sending.to_json(progress))
        return
    counts = [(name, getattr(progress, name)) for name in _COUNTS]
    listed = ", ".join(f"{name} {count}" for name, count in counts if count)
    end = f"finished at {progress.finished_at}" if progress.finished_at else "not finished"
    batch_id = output.make_printable(progress.batch_id)
    output.print_data(f"{batch_id}: {progress.total} messages, {listed or 'none accepted'}; {end}")


async def show_progress(settings: Settings, batch_id: str, *, as_json: bool) -> BatchProgress:
    """Show each change of the batch until it is finished; returns the last one."""
    has_complained = False
    with output.Progress(output.make_printable(batch_id)) as line:
        async for progress in sending.follow(settings, batch_id):
            if progress is None:
                if not has_complained:
                    output.print_note(
                        f"nothing has changed for {sending.SILENCE_S:g} s: is a dispatcher running (`wa-streams ps`)? "
                        "`wa-streams queue` shows why messages wait"
                    )
                has_complained = True
                continue
            line.show(progress.done / max(progress.total, 1))
            if as_json:
                print_progress(progress, as_json=True)
            if progress.finished_at is not None:
                break
        else:
            raise AssertionError("unreachable: a topic has no end")
    if not as_json:
        print_progress(progress, as_json=False)
    return progress
