"""All keys there are in Redis: what each holds, who writes it, and what ends it.

A key is `{prefix}:{name}`, and behind that what its scope says, such as `{prefix}:binding:{target}`.
docs/design.md shows this list; tests/store/test_keys.py holds it against the code and against data that were
written.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["string", "hash", "set", "zset", "list", "stream"]


@dataclass(frozen=True, slots=True)
class Key:
    """One name.

    `scope`: what follows it, "" for nothing; `holds`: in a phrase; `writer`: who writes it; `ends`: what
    takes it, or a row of it, away.
    """

    name: str
    scope: str
    kind: Kind
    holds: str
    writer: str
    ends: str


INSTALLATION = (
    Key("schema", "", "string", "the version of what is stored", "who starts first", "never"),
    Key("epoch", "", "string", "the id of these data", "workers", "never"),
    Key("beat", "", "string", "when a worker last lived in them (unix ms)", "workers", "never"),
    Key("stale", "", "string", "why the data may not act by themselves", "workers", "`bridge data trust`"),
    Key("counters", "", "hash", "events accepted, folded, too old", "receiver, fold", "never"),
    Key("directories", "", "set", "the names of all event logs", "receiver", "`bridge directory forget`"),
    Key("targets", "", "set", "the ids of all targets that were ever configured", "workers", "never"),
    Key(
        "sources", "{directory}", "set", "the sources that ever spoke for it", "workers", "`directory forget`"
    ),
    Key("departures", "", "string", "directories that are being forgotten", "operators", "when they are"),
    Key("connections", "", "hash", "connections that ended once, by directory", "fold", "`directory forget`"),
    Key("workers", "", "zset", "worker → when it last told that it lives", "workers", "by age"),
    Key("clocks", "", "zset", "process → how far its clock is ahead", "every process", "by age"),
    Key("clocks:at", "", "zset", "process → when it told so", "every process", "by age"),
    Key("arrived", "", "string", "the latest time that an event was given", "receiver", "never"),
    Key("audit", "", "stream", "what people have decided", "operators", "retention.evidence"),
    Key("erasure", "", "string", "the key that pseudonyms are made with", "`bridge erase`", "never"),
    Key("front", "{source}", "hash", "when its last delivery came, who was turned away", "receiver", "never"),
    Key("refused", "{source}", "stream", "what could not be read, and notices", "receiver, fold", "7 days"),
    Key("alerts", "{receiver}", "hash", "what was said to a receiver of alerts", "alert job", "30 days"),
    Key("fences", "", "string", "the number of the last lease", "leases", "never"),
    Key("lease", "{job}", "string", "who works on it", "workers", "5 s"),
    Key("queue", "", "zset", "arq's jobs", "receiver, workers", "when they run"),
    Key("arq-health", "{worker}", "string", "that arq lives there, in its words", "arq", "1 hour"),
    Key("rings", "", "string", "the number of the last job", "receiver, workers", "never"),
    Key(
        "bell",
        "{job}:{subject}",
        "string",
        "a job for it is queued",
        "receiver, workers",
        "5 s, or its start",
    ),
    Key("sweeping", "", "string", "who looks for work that nobody does", "workers", "1 s"),
    Key("alerting", "", "string", "who looks for what is to be said", "workers", "seconds"),
    Key("trimmed", "", "string", "who has last trimmed", "workers", "1 minute"),
    Key("probe", "…", "string", "nothing: what readiness tries out", "receiver, `check`", "1 minute"),
    Key("copy", "{stream}", "stream", "a stream that is being rewritten", "`bridge erase`", "when it is"),
)

DIRECTORY = (
    Key("journal", "{directory}", "stream", "its accepted events, in order", "receiver", "retention.journal"),
    Key("cursor", "{directory}", "string", "the last event that was folded", "fold", "`directory forget`"),
    Key("seen", "{directory}:{key}", "string", "a delivery was stored", "receiver", "7 days"),
    Key(
        "renewed", "{directory}", "string", "deliveries seen before now count as new", "forgetting", "7 days"
    ),
    Key(
        "users", "{directory}", "hash", "id → user, with the time of each field", "fold", "tombstones' purge"
    ),
    Key("groups", "{directory}", "hash", "id → group", "fold", "tombstones' purge"),
    Key("members", "{group}", "hash", "user → since when they are a member, or are not", "fold", "purge"),
    Key("memberships", "{user}", "set", "the groups that name them", "fold", "purge"),
    Key("lists", "{directory}", "hash", "group → lists of all its members", "fold", "purge"),
    Key("names", "{directory}", "zset", "index of groups by name", "fold", "with the group"),
    Key("address", "{e-mail}", "set", "the users who have, or had, the address", "fold", "purge"),
    Key("told", "{directory}", "hash", "user or group → the last event about it", "fold", "purge"),
    Key(
        "before", "{directory}", "stream", "for an event, the one before about the same", "fold", "journal's"
    ),
    Key("unresolved", "{directory}", "hash", "ids of which nothing else is known", "fold", "when it is"),
    Key(
        "unmarked", "{directory}", "set", "people a batch is about who are not marked yet", "fold", "its end"
    ),
    Key("deadletters", "{directory}", "hash", "event → why it cannot be folded", "fold", "`bridge replay`"),
    Key("over", "{directory}", "zset", "what was deleted or ended, by when", "fold", "purge"),
    Key(
        "horizon", "{directory}", "string", "the newest of what was forgotten", "purge", "`directory forget`"
    ),
    Key("late", "{directory}", "zset", "events that are not newer than that", "fold", "retention.journal"),
    Key(
        "erased",
        "directory",
        "hash",
        "users who were erased, and when",
        "`bridge erase`",
        "retention.journal",
    ),
    Key("reads", "{directory}", "zset", "what is to be read from its API", "fold", "when it is read"),
    Key("readv", "{directory}", "hash", "how often each was marked", "fold", "when it is read"),
    Key("readtries", "{directory}", "hash", "how often each was tried", "readback", "when it is read"),
    Key("readstate", "{directory}", "string", "how its API is doing", "readback", "never"),
)

TARGET = (
    Key("state", "{target}", "string", "how it is doing", "converge", "never"),
    Key("pause", "{target}", "string", "who wants it left alone", "operators", "`bridge resume`"),
    Key("work", "{target}", "zset", "object → when it is due", "fold, converge", "when it is done"),
    Key("workv", "{target}", "hash", "object → how often it was marked", "fold, converge", "when it is done"),
    Key("news", "{target}", "hash", "when the burst of news began, and its last", "fold", "never"),
    Key("cause", "{target}", "hash", "object → the event that last touched it", "fold", "purge"),
    Key("waiting", "{target}", "hash", "object → its back-off", "converge", "when it succeeds"),
    Key("inflight", "{target}", "hash", "object → a call that was begun", "converge", "its outcome"),
    Key("dead", "{target}", "hash", "object → why it was given up", "converge", "news, `bridge retry`"),
    Key("parked", "{target}", "hash", "id → a change that waits for a person", "converge", "a decision"),
    Key(
        "decision",
        "{target}",
        "hash",
        "id → what a person has decided",
        "operators",
        "when its cause is gone",
    ),
    Key("binding", "{target}", "hash", "e-mail → what is known of the member", "converge", "purge"),
    Key("inviting", "{target}", "hash", "e-mail → an invite without a clear end", "converge", "a reading"),
    Key(
        "pending", "{target}", "zset", "invited and not listed yet, by the next look", "converge", "a reading"
    ),
    Key("no_sso", "{target}", "set", "members who could not be invited for SSO", "converge", "a reading"),
    Key(
        "leaving", "{target}", "hash", "e-mail → since when they are to go", "converge", "when they are gone"
    ),
    Key("gathering", "{target}", "zset", "removals of one wave, by when it is judged", "converge", "then"),
    Key("looks", "{target}", "zset", "objects to be looked at at a time far ahead", "converge", "then"),
    Key("lost", "{target}", "zset", "calls that may take effect late, by the next look", "converge", "a day"),
    Key("lost_looks", "{target}", "hash", "object → how often it was looked at since", "converge", "a day"),
    Key("unknown", "{target}", "hash", "objects to be read before they are planned", "converge", "a reading"),
    Key("asked", "{target}", "zset", "who was to be put into a team, by when", "converge", "by age"),
    Key("teams", "{target}", "hash", "title → the team bound to it", "converge", "when it is deleted"),
    Key("titles", "{target}", "hash", "group → the titles it maps to", "converge", "with the group"),
    Key("roster", "{target}:{team}", "set", "who is known to be in the team", "converge", "with the team"),
    Key("makings", "{target}", "hash", "title → creations without a clear end", "converge", "a day"),
    Key("twins", "{target}", "zset", "title → when to look for second teams", "converge", "a day"),
    Key("guard", "{target}", "zset", "removals in the guard's window", "converge", "the window"),
    Key("invited", "{target}", "zset", "invites in the guard's window", "converge", "the window"),
    Key("losses", "{target}", "zset", "who left a team in the window", "converge", "the window"),
    Key("losses", "{team}:{target}", "zset", "who left this team in the window", "converge", "the window"),
    Key("sizes", "{target}", "zset", "how many members there were, by when", "converge", "the window"),
    Key("teamsizes", "{target}", "hash", "team → its size when its window began", "converge", "the window"),
    Key(
        "plan", "{target}", "string", "hash of the rules of the last plan", "converge", "`bridge data trust`"
    ),
    Key("followed", "{target}", "set", "the directories that count for it", "converge", "never"),
    Key("planned", "{target}", "set", "objects that a dry run has planned", "converge", "apply mode"),
    Key("marked", "{target}", "hash", "directory → how far it was marked", "fold", "`directory forget`"),
    Key(
        "replanned",
        "{target}",
        "hash",
        "directory → how far everyone was planned anew",
        "converge",
        "likewise",
    ),
    Key("replanning", "{target}", "string", "how far everyone was marked by now", "converge", "when all are"),
    Key("listings", "{target}", "hash", "list → how far it was read", "converge", "10 minutes"),
    Key(
        "listing",
        "{target}:{list}",
        "hash",
        "the rows of a list that is read in slices",
        "converge",
        "10 minutes",
    ),
    Key("pages", "{target}", "hash", "list → how many pages it has", "converge", "never"),
    Key("history", "{target}", "stream", "calls and what came of them", "converge", "retention.history"),
    Key(
        "calls",
        "{target}:{object}",
        "list",
        "the rows of the history about one object",
        "converge",
        "30 days",
    ),
    Key(
        "evidence", "{target}", "stream", "who joined, and who lost access", "converge", "retention.evidence"
    ),
    Key("tally", "{target}", "hash", "calls and changes, for /metrics", "workers", "never"),
    Key("budget", "{target}", "hash", "what its rate limits have left", "workers", "never"),
)

SCIM = (
    Key(
        "scim",
        "{source}:row:{kind}:{id}",
        "string",
        "a resource as its provider wrote it",
        "receiver",
        "DELETE",
    ),
    Key("scim", "{source}:all:{kind}", "zset", "ids by the time of their creation", "receiver", "DELETE"),
    Key(
        "scim", "{source}:name:{userName}", "string", "the id of the user of that name", "receiver", "DELETE"
    ),
    Key(
        "scim",
        "{source}:by:{kind}:{attribute}:{value}",
        "set",
        "ids that have the value",
        "receiver",
        "DELETE",
    ),
    Key("scim", "{source}:members:{group}", "set", "the ids of its members", "receiver", "DELETE"),
    Key("scim", "{source}:groups:{user}", "set", "the ids of their groups", "receiver", "DELETE"),
)

CATALOGUE = {"installation": INSTALLATION, "directory": DIRECTORY, "target": TARGET, "SCIM": SCIM}


def table() -> str:
    """Return the catalogue as docs/design.md shows it."""
    lines = []
    for title, keys in CATALOGUE.items():
        lines += [
            f"**{title}**",
            "",
            "| key | type | holds | written by | ends with |",
            "|---|---|---|---|---|",
        ]
        for key in keys:
            whole = f"{key.name}:{key.scope}" if key.scope else key.name
            lines.append(f"| `{whole}` | {key.kind} | {key.holds} | {key.writer} | {key.ends} |")
        lines.append("")
    return "\n".join(lines)
