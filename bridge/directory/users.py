"""A user of a directory: what was told of them, and when, field by field."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bridge.directory.addresses import normalise_email
from bridge.directory.events import EventName, UserNews, is_negative, negative


class User(Struct, frozen=True):
    """A user. Each `…_at` is the stamp of the news that the field comes from (0: none yet).

    `active_at` carries its own sign: negative news means inactive. `former`: every other address ever
    told. `episode` counts how often the user came back to life: decisions belong to one episode.
    """

    email: str | None = None
    email_at: int = 0
    active_at: int = 0
    created_at: int = 0
    deleted_at: int = 0
    former: tuple[str, ...] = ()
    episode: int = 0

    @property
    def exists(self) -> bool:
        """A user exists unless deleted later than last created; an update never lifts a deletion."""
        return self.deleted_at == 0 or self.created_at > self.deleted_at

    @property
    def active(self) -> bool:
        """Whether they may be a member at all."""
        return self.exists and not is_negative(self.active_at)

    @property
    def life_at(self) -> int:
        """The stamp of the news that made them active, inactive or deleted, or last said so again.

        Who was inactive when they were deleted had been out before.
        """
        if self.exists:
            return max(self.created_at, self.active_at)
        return min(self.active_at, self.deleted_at) if is_negative(self.active_at) else self.deleted_at

    @property
    def addresses(self) -> tuple[str, ...]:
        """The current address and all former ones."""
        return (self.email, *self.former) if self.email else self.former


def tell_user(user: User, name: EventName, news: UserNews, stamp: int) -> User:
    """Return the user after one piece of news, whatever came before it."""
    told = _tell_life(user, name, stamp)
    told = _tell_email(told, news.email, stamp)
    if name is not EventName.USER_DELETED:
        told = _tell_active(told, _active_after(name, news), stamp)
    return replace(told, episode=user.episode + 1) if told.active and not user.active else told


def _tell_life(user: User, name: EventName, stamp: int) -> User:
    if name is EventName.USER_CREATED:
        return replace(user, created_at=max(user.created_at, stamp))
    if name is EventName.USER_DELETED:
        return replace(user, deleted_at=max(user.deleted_at, negative(stamp)))
    return user


def _active_after(name: EventName, news: UserNews) -> bool | None:
    """Someone created is active unless told otherwise."""
    return True if news.active is None and name is EventName.USER_CREATED else news.active


def _tell_active(user: User, active: bool | None, stamp: int) -> User:
    if active is None:
        return user
    return replace(user, active_at=max(user.active_at, stamp if active else negative(stamp)))


def _tell_email(user: User, told: str | None, stamp: int) -> User:
    """Take the newest address, or that they have none (""); at one moment an address wins."""
    email = normalise_email(told)
    if email is None and told != "":
        return user
    newer = (stamp, email or "") > (user.email_at, user.email or "")
    now = email if newer else user.email
    known = {each for each in (*user.former, email, user.email) if each}
    former = tuple(sorted(known - {now}))
    return replace(user, email=now, email_at=stamp if newer else user.email_at, former=former)


def encode_user(user: User) -> list[Any]:
    """Return the user as the short JSON list the mirror keeps."""
    return [
        user.email, user.email_at, user.active_at, user.created_at, user.deleted_at,
        list(user.former), user.episode,
    ]  # fmt: skip


def decode_user(row: list[Any]) -> User:
    """Return the user that `encode_user` wrote."""
    return User(row[0], row[1], row[2], row[3], row[4], tuple(row[5]), row[6])
