"""A resource as Redis keeps it, and what can be looked up of it."""

import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from unicodedata import normalize

import orjson
from scim2_models import InvalidValueException, Meta, Resource

from bridge.directory.identifiers import hidden_character
from bridge.scim.resources import MODELS, Group
from bridge.sources.bodies import LONGEST_TEXT

MOST_EMAILS = 50
PREFIXES = {"User": "usr_", "Group": "grp_"}
_ID_LENGTH = 36
_NOT_KEPT = ("schemas", "id", "meta", "groups", "members")

Fields = dict[str, Any]  # a resource as SCIM's JSON has it, without schemas, id and meta
Index = tuple[str, str]  # an attribute and the value it is found by


@dataclass(frozen=True, slots=True)
class Row:
    """A stored resource. `created` and `modified`: unix milliseconds; `text`: what Redis holds, "" if new.

    `active`: what a user is, also while the provider has unassigned that attribute; `beside`: what the
    memberships that are kept beside it add to its version, where they were read.
    """

    kind: str
    id: str
    fields: Fields
    version: int
    created: int
    modified: int
    active: bool = True
    text: str = ""
    beside: str = ""

    @property
    def etag(self) -> str:
        """Return what tells one state of the whole resource from another (RFC 7644 3.14)."""
        return etag(self.version, self.beside)

    def encode(self) -> str:
        """Return what Redis is to hold."""
        row = [self.version, self.created, self.modified, self.active, self.fields]
        return orjson.dumps(row).decode()

    def resource(self) -> Resource[Any]:
        """Return it as the library knows it."""
        meta = Meta(
            resource_type=self.kind,
            created=_moment(self.created),
            last_modified=_moment(self.modified),
            version=self.etag,
        )
        resource = MODELS[self.kind].model_validate(self.fields)
        resource.id, resource.meta = self.id, meta
        return resource


def etag(version: int, beside: str) -> str:
    """Return a resource's version; `beside`: of its memberships, "" for none."""
    return f'W/"{version}-{beside}"' if beside else f'W/"{version}"'


def digest_groups(groups: Collection[str]) -> str:
    """Return what a user's groups add to the version: joining or leaving one writes no row of theirs."""
    text = " ".join(sorted(groups)).encode()
    return blake2b(text, digest_size=6).hexdigest() if groups else ""


def size_beside(members: int) -> str:
    """Return what a group's size adds: who comes is written with a new version, who is deleted is not."""
    return str(members) if members else ""


def beside_of(kind: str, others: Collection[str]) -> str:
    """Return what memberships that were read add to a resource's version."""
    return digest_groups(others) if kind == "User" else size_beside(len(others))


def decode_row(kind: str, ident: str, text: str, beside: str = "") -> Row:
    """Return the row that `Row.encode` wrote."""
    version, created, modified, active, fields = orjson.loads(text)
    return Row(kind, ident, fields, version, created, modified, active, text, beside)


def new_id(kind: str) -> str:
    """Return an id that tells of what kind its resource is."""
    return PREFIXES[kind] + secrets.token_hex(16)


def kind_of(ident: str) -> str | None:
    """Return of what kind the resource of an id would be, None for an id that was never given."""
    known = (kind for kind, prefix in PREFIXES.items() if ident.startswith(prefix))
    return next(known, None) if len(ident) == _ID_LENGTH else None


def read_fields(resource: Resource[Any]) -> Fields:
    """Return what is kept of a resource. Raises InvalidValueException (too large, or no name)."""
    told = resource.model_dump()
    kept = {key: value for key, value in told.items() if key not in _NOT_KEPT}
    if len(kept.get("emails") or ()) > MOST_EMAILS:
        raise InvalidValueException(detail=f"emails has more than {MOST_EMAILS} values")
    if too_long := next(_long_texts(kept), None):
        raise InvalidValueException(detail=f"{too_long} has more than {LONGEST_TEXT} characters")
    required = "displayName" if isinstance(resource, Group) else "userName"
    if not kept.get(required, "").strip():
        raise InvalidValueException(detail=f"{required} is missing or empty")
    found = hidden_character(kept[required]) if isinstance(resource, Group) else None
    if found:  # not of a user: whoever was let in with such a name must be able to leave
        raise InvalidValueException(detail=f"{required} holds {found}: send it without control characters")
    return kept


def _long_texts(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield path
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _long_texts(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for one in value:
            yield from _long_texts(one, path)


def fold(text: str) -> str:
    """Return a text as the library compares those that are not caseExact (RFC 7643 2.2)."""
    return normalize("NFC", normalize("NFC", text).lower())


def user_name(fields: Fields) -> str:
    """Return by what a user's name is unique."""
    return fold(fields["userName"])


def indexes(kind: str, fields: Fields) -> set[Index]:
    """Return all by which a resource is found, besides its id and a user's name."""
    found: set[Index] = set()
    if fields.get("externalId"):
        found.add(("externalId", fields["externalId"]))
    if kind == "Group":
        found.add(("displayName", fold(fields["displayName"])))
    found |= {("emails", fold(one["value"])) for one in fields.get("emails") or () if one.get("value")}
    return found


def group_identity(fields: Fields) -> Index:
    """Return what tells a new group from those that are there."""
    if ident := fields.get("externalId"):
        return "externalId", ident
    return "displayName", fold(fields["displayName"])


def email_of(fields: Fields) -> str | None:
    """Return a user's address: the primary one, else work, else the first, else a fitting userName."""
    emails = [one for one in fields.get("emails") or () if _is_address(one.get("value"))]
    best = min(emails, key=_rank, default=None)
    if best is not None:
        return str(best["value"]).strip()
    name: str = fields["userName"]
    return name.strip() if _is_address(name) else None


def _rank(email: Fields) -> int:
    if email.get("primary"):
        return 0
    return 1 if str(email.get("type", "")).lower() == "work" else 2


def _is_address(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    local, at, domain = value.strip().rpartition("@")
    return bool(local and at and domain)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
