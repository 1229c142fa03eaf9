"""GitBook's own OpenAPI document, cut to what the bridge speaks, and what its answers must look like."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker

Spec = dict[str, Any]
Schema = dict[str, Any]

NODE_MODULES = Path(__file__).parent / "node_modules"
DOCUMENT = NODE_MODULES / "@gitbook" / "api" / "spec" / "openapi.json"
METHODS = frozenset({"get", "put", "post", "patch", "delete"})

_ORG = "/orgs/{organizationId}"
PATHS = (
    "/user",
    "/orgs",
    _ORG,
    f"{_ORG}/invites",
    f"{_ORG}/link-invites",
    f"{_ORG}/link-invites/{{inviteId}}",
    f"{_ORG}/members",
    f"{_ORG}/members/{{userId}}",
    f"{_ORG}/members/{{userId}}/sso",
    f"{_ORG}/members/{{userId}}/spaces",
    f"{_ORG}/members/{{userId}}/teams",
    f"{_ORG}/saml",
    f"{_ORG}/saml/{{samlProviderId}}",
    f"{_ORG}/sso",
    f"{_ORG}/teams",
    f"{_ORG}/teams/{{teamId}}",
    f"{_ORG}/teams/{{teamId}}/members",
    f"{_ORG}/teams/{{teamId}}/members/{{userId}}",
)


def load_spec() -> Spec:
    """Read the whole document (some 260 paths, several MB) from the installed `@gitbook/api`."""
    spec: Spec = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return spec


def cut(spec: Spec, paths: Iterable[str] = PATHS, prefix: str = "") -> Spec:
    """Return the document with these paths only, under `prefix`, and the components they lead to.

    Raises KeyError when the document has no such path. The prefix is for Prism, which ignores the
    `/v1` of the server's address.
    """
    chosen = {prefix + path: spec["paths"][path] for path in paths}
    components: dict[str, dict[str, Any]] = {"securitySchemes": spec["components"]["securitySchemes"]}
    waiting = list(_references(chosen))
    while waiting:
        kind, name = waiting.pop().removeprefix("#/components/").split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = spec["components"][kind][name]
            waiting += _references(components[kind][name])
    kept: Spec = {key: spec[key] for key in ("openapi", "info", "security") if key in spec}
    return {**kept, "servers": [{"url": "http://127.0.0.1"}], "paths": chosen, "components": components}


def write_v1(spec: Spec, folder: Path) -> Path:
    """Write the cut document with its paths under /v1 into `folder`, for Prism; return the file."""
    file = folder / "gitbook-v1.json"
    file.write_text(json.dumps(cut(spec, PATHS, "/v1")), encoding="utf-8")
    return file


def operations(spec: Spec) -> set[tuple[str, str]]:
    """Return every operation of the document as (method in capitals, path template)."""
    return {(m.upper(), path) for path, item in spec["paths"].items() for m in item if m in METHODS}


def template_of(spec: Spec, path: str) -> str:
    """Return the path template that a request's path matches; a literal part wins over a parameter.

    Raises KeyError when there is none.
    """
    parts = path.strip("/").split("/")
    found: list[str] = [t for t in spec["paths"] if _matches(t.strip("/").split("/"), parts)]
    if not found:
        raise KeyError(f"the spec has no path for {path}")
    return min(found, key=lambda template: template.count("{"))


def schema_for(spec: Spec, method: str, path_template: str, status: int) -> Schema | None:
    """Return the JSON Schema of an operation's answer; None when that answer has no body.

    GitBook declares almost none of its errors, but documents one shape for all of them: that shape is
    returned for an error that is not declared. Raises KeyError for a success that is not declared.
    """
    responses = spec["paths"][path_template][method.lower()]["responses"]
    if str(status) not in responses:
        if status < 400:
            raise KeyError(f"{method} {path_template} declares no {status}, only {', '.join(responses)}")
        return _error_schema(status)
    response = _resolve(spec, responses[str(status)])
    content = response.get("content")
    schema: Schema | None = content["application/json"]["schema"] if content else None
    return schema


def body_schema_for(spec: Spec, method: str, path_template: str) -> Schema | None:
    """Return the JSON Schema of an operation's request body; None when it takes none."""
    body = spec["paths"][path_template][method.lower()].get("requestBody")
    schema: Schema | None = _resolve(spec, body)["content"]["application/json"]["schema"] if body else None
    return schema


def problems(spec: Spec, schema: Schema, body: Any) -> list[str]:
    """Return what is wrong with a JSON body, one line each.

    Fields that the schema does not name count as wrong: what GitBook does not tell, our sandbox must
    not tell either, and what GitBook does not read, our client must not send.
    """
    components = {"schemas": {name: _closed(s) for name, s in spec["components"]["schemas"].items()}}
    whole = {**_entry(schema), "components": components}
    validator = OAS31Validator(whole, format_checker=oas31_format_checker)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]


def answer_problems(spec: Spec, method: str, path: str, status: int, raw: bytes) -> list[str]:
    """Return what is wrong with an answer to a request, one line each."""
    try:
        schema = schema_for(spec, method, template_of(spec, path), status)
    except KeyError as error:
        return [str(error)]
    if schema is None:
        return [f"{status} must have no body, not {raw[:100]!r}"] if raw else []
    try:
        body = json.loads(raw)
    except ValueError:
        return [f"{status} is not JSON: {raw[:100]!r}"]
    return problems(spec, schema, body)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _resolve(spec: Spec, node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        kind, name = node["$ref"].removeprefix("#/components/").split("/")
        node = spec["components"][kind][name]
    return node


def _matches(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        t == part or t.startswith("{") for t, part in zip(template, parts, strict=True)
    )


def _error_schema(status: int) -> Schema:
    fields = {"code": {"const": status}, "message": {"type": "string"}}
    error = {"type": "object", "properties": fields, "required": ["code", "message"]}
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


def _entry(schema: Schema) -> Schema:
    """Return the schema of one value, closed: an object there has no fields but those it names."""
    closed = _closed(schema)
    if closed.keys() & {"$ref", "properties", "allOf", "oneOf", "anyOf"}:
        return {"unevaluatedProperties": False, **closed}
    return closed


def _closed(schema: Schema) -> Schema:
    """Return the schema with the values inside it closed, itself still open to its other branches."""
    out = dict(schema)
    if isinstance(schema.get("properties"), dict):
        out["properties"] = {name: _entry(inner) for name, inner in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            out[key] = _entry(schema[key])
    for key in ("allOf", "oneOf", "anyOf"):
        if isinstance(schema.get(key), list):
            out[key] = [_closed(branch) for branch in schema[key]]
    return out
