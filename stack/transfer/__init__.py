"""The transfer engine: TLS, HTTP, WebSocket and streamed ZIP, receiving and serving. On `alliance`."""
