"""The panels of the Grafana dashboard, as a table: what each shows, in which unit, by which queries."""

from dataclasses import dataclass
from typing import Final

_MEMBER: Final = "* on (job, instance) group_left (worker) wa_worker"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `queries`: PromQL → legend. `kind` and `unit` are Grafana's words."""

    title: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"
    description: str = ""


def _rate(metric: str, by: str, *, per_s: int = 1) -> str:
    factor = f" * {per_s}" if per_s != 1 else ""
    return f"sum by ({by}) (rate({metric}[$__rate_interval])){factor}"


def _quantile(quantile: float, metric: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({metric}_bucket[5m])))"


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Now": (
        Panel(
            "Alerts",
            "short",
            {'sum(ALERTS{alertname=~"Wa.*",alertstate="firing"}) or vector(0)': "raised"},
            "stat",
        ),
        Panel(
            "Accounts that send",
            "short",
            {'sum(max by (account) (wa_account_state{state="ready"}))': "ready"},
            "stat",
        ),
        Panel("Messages waiting", "short", {"sum(wa_messages_waiting)": "waiting"}, "stat"),
        Panel("Oldest waiting", "s", {"max(wa_oldest_waiting_seconds)": "oldest"}, "stat"),
        Panel(
            "Sent of what ended, 1 h",
            "percentunit",
            {
                'sum(increase(wa_statuses_total{status="sent"}[1h])) / '
                'sum(increase(wa_statuses_total{status=~"sent|failed|unknown"}[1h]))': "sent"
            },
            "stat",
        ),
        Panel(
            "Outcome unknown, 1 h",
            "short",
            {'sum(increase(wa_statuses_total{status="unknown"}[1h]))': "unknown"},
            "stat",
        ),
    ),
    "Messages": (
        Panel(
            "Statuses a minute",
            "short",
            {_rate("wa_statuses_total", "status", per_s=60): "{{status}}"},
        ),
        Panel(
            "Dead letters a minute",
            "short",
            {_rate("wa_dead_letters_total", "reason", per_s=60): "{{reason}}"},
        ),
        Panel(
            "Waiting, by reason", "short", {"sum by (reason) (wa_messages_waiting)": "{{reason}}"}
        ),
        Panel(
            "Waiting, by priority",
            "short",
            {"sum by (priority) (wa_messages_waiting)": "{{priority}}"},
        ),
        Panel("Age of the oldest", "s", {"max(wa_oldest_waiting_seconds)": "oldest"}),
        Panel(
            "Dispatches",
            "short",
            {
                "sum(wa_dispatches_in_flight)": "in flight",
                "sum(wa_dispatches_overdue)": "overdue",
            },
        ),
        Panel(
            "Requests a minute",
            "short",
            {_rate("wa_records_total", "disposition", per_s=60): "{{disposition}}"},
        ),
        Panel(
            "Age of a request when it is read",
            "s",
            {
                _quantile(0.5, "wa_record_age_seconds"): "median",
                _quantile(0.99, "wa_record_age_seconds"): "99 %",
            },
        ),
    ),
    "Accounts": (
        Panel(
            "State",
            "short",
            {"max by (account, state) (wa_account_state) == 1": "{{account}}: {{state}}"},
        ),
        Panel(
            "Age of the heartbeat",
            "s",
            {"max by (account) (wa_account_heartbeat_age_seconds)": "{{account}}"},
        ),
        Panel(
            "Sent in 24 h, and the cap",
            "short",
            {
                "max by (account) (wa_account_sent_today)": "{{account}}",
                "max by (account) (wa_account_daily_cap)": "{{account}}: cap",
            },
        ),
        Panel(
            "Limited by WhatsApp",
            "short",
            {
                "max by (account) (wa_account_limited)": "{{account}}",
                f"max by (worker, reason) (wa_account_restricted {_MEMBER})": "{{worker}}: {{reason}}",
            },
        ),
        Panel(
            "Quota of new chats",
            "short",
            {
                f"max by (worker, kind) (wa_account_new_chat_quota {_MEMBER})": "{{worker}}: {{kind}}",
            },
        ),
        Panel(
            "Received a minute",
            "short",
            {_rate("wa_sender_inbound_total", "type", per_s=60): "{{type}}"},
        ),
    ),
    "Sending": (
        Panel(
            "Submits a minute",
            "short",
            {_rate("wa_sender_submits_total", "result", per_s=60): "{{result}}"},
        ),
        Panel(
            "From submit to ack",
            "s",
            {
                _quantile(0.5, "wa_sender_submit_seconds"): "median",
                _quantile(0.95, "wa_sender_submit_seconds"): "95 %",
                _quantile(0.99, "wa_sender_submit_seconds"): "99 %",
            },
        ),
        Panel(
            "Since the last ack",
            "s",
            {
                f"(time() - wa_sender_last_ack_timestamp_seconds) {_MEMBER}": "{{worker}}",
            },
        ),
        Panel(
            "Numbers known without asking",
            "percentunit",
            {
                'sum(rate(wa_sender_lookups_total{result="cached"}[5m])) / '
                "sum(rate(wa_sender_lookups_total[5m]))": "cached",
            },
        ),
        Panel(
            "Outcomes a minute",
            "short",
            {_rate("wa_sender_outcomes_total", "result", per_s=60): "{{result}}"},
        ),
        Panel(
            "Refused by WhatsApp a minute, by its code",
            "short",
            {_rate("wa_sender_refusals_total", "code", per_s=60): "{{code}}"},
        ),
        Panel(
            "Interruptions of a session, 1 h",
            "short",
            {"sum by (phase) (increase(wa_sender_interruptions_total[1h]))": "{{phase}}"},
        ),
        Panel(
            "Receipts a minute",
            "short",
            {_rate("wa_sender_receipts_total", "ack", per_s=60): "{{ack}}"},
        ),
        Panel(
            "Missing in WhatsApp's page",
            "short",
            {
                f"sum by (worker, group) (wa_page_symbols_missing {_MEMBER})": "{{worker}}: {{group}}"
            },
        ),
    ),
    "Kafka": (
        Panel(
            "Lag",
            "short",
            {"sum by (topic) (max by (topic, partition) (wa_lag_records))": "{{topic}}"},
        ),
        Panel(
            "Deleted before they were read",
            "short",
            {"sum by (topic) (max by (topic, partition) (wa_lag_lost_records))": "{{topic}}"},
        ),
        Panel(
            "Topics with trouble",
            "short",
            {
                "max(wa_obstructed_topics)": "cannot be used",
                "max(wa_under_replicated_topics)": "lack copies",
            },
        ),
        Panel("Partitions", "short", {f"wa_partitions {_MEMBER}": "{{worker}}"}),
    ),
    "Processes": (
        Panel("Ready", "short", {f"wa_ready {_MEMBER}": "{{worker}}"}),
        Panel("Memory", "bytes", {f"process_resident_memory_bytes {_MEMBER}": "{{worker}}"}),
        Panel(
            "Memory of the browsers",
            "bytes",
            {
                f"wa_browser_memory_bytes {_MEMBER}": "{{worker}}",
                f"wa_page_memory_bytes {_MEMBER}": "{{worker}}: page",
            },
        ),
        Panel(
            "CPU",
            "percentunit",
            {
                f"rate(process_cpu_seconds_total[$__rate_interval]) {_MEMBER}": "{{worker}}",
            },
        ),
        Panel(
            "Restarts within an hour",
            "short",
            {f"changes(process_start_time_seconds[1h]) {_MEMBER}": "{{worker}}"},
        ),
        Panel(
            "Bugs and complaints, 1 h",
            "short",
            {
                "sum by (kind) (increase(wa_internal_errors_total[1h]))": "internal error: {{kind}}",
                "sum(increase(wa_illegal_transitions_total[1h]))": "illegal transitions",
                "sum(increase(wa_contradicting_receipts_total[1h]))": "contradicting receipts",
                "sum(increase(wa_kafka_client_errors_total[1h]))": "errors of Kafka's clients",
            },
        ),
    ),
}
