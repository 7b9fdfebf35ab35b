"""Notifies the operator. Sequential: messages must arrive in the order in which they were sent."""

import time
from datetime import UTC, datetime

LATENCY = 0.8  # seconds: stands in for a message service, so that the call can be seen in the timeline


def send_message(message: str) -> str:
    """Notify the operator: the message appears at once in the live output of the run.

    Args:
        message: The text for the operator, in one or two sentences.
    """
    text = message.strip()
    if not text:
        raise ValueError("The message is empty. Write what the operator should know.")
    print(f"To the operator: {text}", flush=True)
    time.sleep(LATENCY)
    sent_at = datetime.now(UTC).strftime("%H:%M:%S UTC")
    print(f"Delivered at {sent_at}.", flush=True)
    return f'Sent to the operator at {sent_at}: "{text}"'
