"""The configuration: one TOML file, read once at the start into one frozen object.

Every mistake is reported, all together, each with its key and what to write instead.
"""

from bridge.settings.alerts import CONDITION_KINDS, AlertSettings, ConditionKind
from bridge.settings.process import (
    LogSettings,
    OperatorSettings,
    ReceiverSettings,
    RedisSettings,
    RetentionSettings,
)
from bridge.settings.reading import SettingsError, inline_secrets, parse_settings, read_settings
from bridge.settings.secret import Secret
from bridge.settings.sources import SOURCE_KINDS, SourceKind, SourceSettings
from bridge.settings.targets import GuardSettings, MemberScope, Role, RoleRule, TargetSettings, TeamRule
from bridge.settings.values import parse_span
from bridge.settings.whole import Settings

__all__ = [
    "CONDITION_KINDS",
    "SOURCE_KINDS",
    "AlertSettings",
    "ConditionKind",
    "GuardSettings",
    "LogSettings",
    "MemberScope",
    "OperatorSettings",
    "ReceiverSettings",
    "RedisSettings",
    "RetentionSettings",
    "Role",
    "RoleRule",
    "Secret",
    "Settings",
    "SettingsError",
    "SourceKind",
    "SourceSettings",
    "TargetSettings",
    "TeamRule",
    "inline_secrets",
    "parse_settings",
    "parse_span",
    "read_settings",
]
