"""How what is asked or told by HTTP is reached: keys of every table that has such an address."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from bridge.outbound import Route, find_proxy_fault, find_route, read_certificates
from bridge.settings.secret import Secret
from bridge.settings.values import Section


def _certificates(value: Any, info: ValidationInfo) -> Any:
    """Return the path of a file of certificates; relative ones are relative to the configuration."""
    if not isinstance(value, str) or not value:
        raise ValueError("is not the path of a file")
    path = (info.context or Path()) / value
    read_certificates(path)
    return path


CertificateFile = Annotated[Path, BeforeValidator(_certificates)]


class Outgoing(Section):
    """What tables with an address of an API share."""

    proxy: Secret | None = Field(None, examples=["http://proxy.acme.test:3128"])
    ca: CertificateFile | None = Field(None, examples=["company-ca.pem"])

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, value: Secret | None) -> Secret | None:
        if value is not None and (fault := find_proxy_fault(value.reveal())):
            raise ValueError(fault)
        return value

    def route(self, url: str) -> Route:
        """Return the way to an address of this table."""
        return find_route(url, self.proxy.reveal() if self.proxy else None, self.ca)
