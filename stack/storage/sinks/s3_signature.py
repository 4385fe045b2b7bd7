"""AWS Signature Version 4 for S3 with the content's hash signed: the store itself refuses damaged content. Pure."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from stack.storage.sinks.secret import Secret

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests to `host` (with its port, as in the Host header)."""

    key_id: str
    secret: Secret
    region: str
    host: str

    def headers(
        self, method: str, path: str, query: str, extra: Mapping[str, str], sha256_hex: str, now: datetime
    ) -> dict[str, str]:
        """All headers of a request. `path` and `query` are encoded as they are sent; `now` is in UTC."""
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        fixed = {"Host": self.host, "x-amz-content-sha256": sha256_hex, "x-amz-date": stamp}
        headers = fixed | dict(extra)
        signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = "\n".join([method, path, query, lines, names, sha256_hex])
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._key(scope), to_sign.encode(), "sha256").hex()
        credential = f"Credential={self.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        return headers | {"Authorization": f"AWS4-HMAC-SHA256 {credential}"}

    def _key(self, scope: str) -> bytes:
        key = f"AWS4{self.secret.reveal()}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key
