"""What only several settings together can get wrong. Reads nothing, changes nothing."""

from streams.settings.groups import KafkaSettings, SettingError, Settings
from streams.system.network import is_loopback


def check_kafka(settings: KafkaSettings) -> None:
    """Raises SettingError if the Kafka settings contradict each other."""
    protocol = settings.kafka_security_protocol
    if protocol.startswith("SASL") and not settings.kafka_security_username:
        raise SettingError(
            "WA_KAFKA_SECURITY_USERNAME: is not set; "
            f"WA_KAFKA_SECURITY_PROTOCOL={protocol} needs a user name"
        )


def check_settings(settings: Settings) -> None:
    """Raises SettingError if settings contradict each other."""
    check_kafka(settings)
    if not settings.accounts:
        raise SettingError("WA_ACCOUNTS: names no account; set at least one, for example main")
    if len(set(settings.accounts)) != len(settings.accounts):
        raise SettingError(
            f"WA_ACCOUNTS={','.join(settings.accounts)}: must name each account only once"
        )
    if not is_loopback(settings.web_host) and not settings.web_token:
        raise SettingError(
            f"WA_WEB_HOST={settings.web_host}: is not loopback; "
            "set WA_WEB_TOKEN too, or listen on 127.0.0.1"
        )
