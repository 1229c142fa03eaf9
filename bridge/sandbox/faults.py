"""What can be made to go wrong, switched from Python or over HTTP."""

import re
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

_NAMES = r"^([45]\d\d|gateway_[345]\d\d|hang|reset|not_json|truncated|error_body|unchanged)$"
FaultName = Annotated[str, StringConstraints(pattern=_NAMES)]
Patterns = tuple[str, ...]


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class NextFault:
    """A fault for the next `times` calls whose "METHOD /path" has `match` (a regular expression) in it.

    `fault` as in Faults.always. `after`: the call is carried out first, and then its answer is lost.
    `late`: the fault comes at once, and the call is carried out later though its client has gone long
    since: after `delay` seconds, without them when the faults next change. A hang ends with it.
    """

    fault: FaultName
    match: Annotated[str, AfterValidator(_regex)] = ""
    after: bool = False
    late: bool = False
    delay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    times: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Faults:
    """Everything that is switched on. Addresses and ids are lists of globs: `["*"]` is everybody.

    always: what becomes of every call: a status such as "429" or "503"; "hang" (no answer until
        `always` is something else or the client goes away); "reset" (the TCP connection is cut);
        "not_json" (200 with an HTML page); "truncated" (200, and cut in the middle of the JSON);
        "gateway_403" (the status with the page of a proxy, of 3xx with a place it leads to);
        "error_body" (200 with GitBook's error body); "unchanged" (answered as if done, and nothing is)
    next: the same for single calls, before `always`; the first that matches is used up
    latency: seconds before each call is looked at
    page_size: no list gives more items at once, whatever is asked for
    expired_cursors: a list that is asked for its next page answers 400
    retry_after: seconds told in a Retry-After header by a 429 or 503 of `always` or `next`
    rejected_token: 401 for every call
    organization_gone: 404 for the whole organisation, though `/user` still answers
    removal_202: DELETE of a member is only a removal request; they stay
    pending_invites: invited, but not listed before they accept (`Sandbox.accept`)
    failed_sso: become members, but not for SSO; named in `failedSSOEmails`
    bad_addresses: an invite that names one fails as a whole with 400
    team_404: PUT of a team's members that names one (id or e-mail) fails as a whole with 404
    forbidden: a write that names one (id or e-mail, path or body) is answered 403
    """

    always: FaultName | None = None
    next: tuple[NextFault, ...] = ()
    latency: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    page_size: Annotated[int, Field(ge=1)] | None = None
    expired_cursors: bool = False
    retry_after: Annotated[int, Field(ge=0)] | None = None
    rejected_token: bool = False
    organization_gone: bool = False
    removal_202: bool = False
    pending_invites: Patterns = ()
    failed_sso: Patterns = ()
    bad_addresses: Patterns = ()
    team_404: Patterns = ()
    forbidden: Patterns = ()

    def merged(self, fields: dict[str, Any]) -> "Faults":
        """Return these faults with the given fields in place of their own.

        Raises ValueError, naming each field that is unknown or has no such value.
        """
        try:
            return _FAULTS.validate_python({**asdict(self), **fields})
        except ValidationError as error:
            raise ValueError(
                "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            ) from None

    def take(self, call: str) -> "tuple[NextFault | None, Faults]":
        """Return what becomes of a call ("METHOD /path"), and the faults that are left."""
        for index, fault in enumerate(self.next):
            if re.search(fault.match, call):
                left = (replace(fault, times=fault.times - 1),) if fault.times > 1 else ()
                return fault, replace(self, next=self.next[:index] + left + self.next[index + 1 :])
        return (NextFault(self.always) if self.always else None), self


_FAULTS: TypeAdapter[Faults] = TypeAdapter(Faults)


def named(patterns: Patterns, *names: str) -> bool:
    """Tell whether one of the names (compared in lower case) matches one of the globs."""
    return any(fnmatchcase(name.lower(), glob.lower()) for name in names for glob in patterns)
