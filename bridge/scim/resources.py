"""What a User and a Group are here: the attributes that are kept, and how the service describes itself.

Whatever is not declared here (passwords, phone numbers, extensions) is accepted and dropped while it is read,
before anything is stored.
"""

from typing import Annotated, Any

import scim2_models
from scim2_models import (
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Filter,
    Mutability,
    Patch,
    Required,
    Resource,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

MOST_RESULTS = 200  # resources in one page


class Name(ComplexAttribute):
    """A person's name, as providers compare it; the bridge uses none of it."""

    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None


class Email(ComplexAttribute):
    """One address. Any text is taken: what is no address is not used as one."""

    value: str | None = None
    type: str | None = None
    primary: bool | None = None


class Membership(ComplexAttribute):
    """One of the groups that a user is in."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None


class User(Resource[Any]):
    """A user, as far as the bridge keeps one."""

    __schema__ = scim2_models.User.__schema__

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    active: bool | None = None
    emails: list[Email] | None = None
    groups: Annotated[list[Membership] | None, Mutability.read_only] = None


class Member(ComplexAttribute):
    """One member of a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None


class Group(Resource[Any]):
    """A group. Its members are described here and never loaded into it: there may be 20,000."""

    __schema__ = scim2_models.Group.__schema__

    display_name: Annotated[str | None, Required.true] = None
    members: list[Member] | None = None


_CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MOST_RESULTS),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=False),
    etag=ETag(supported=True),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Bearer token",
            description="The secret of the source, as Authorization: Bearer <secret>",
            primary=True,
        )
    ],
)

# Entra sends removals with a value and paths whose filter matches nothing yet (Microsoft: "Known issues and
# resolutions with SCIM 2.0 protocol compliance"); every provider sends more attributes than are kept.
_POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)

PROVIDER = ScimProvider([User, Group], None, _CONFIG, _POLICY)
MODELS: dict[str, type[Resource[Any]]] = {"User": User, "Group": Group}
