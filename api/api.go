// Package api holds the description of both ports' HTTP API in OpenAPI 3.1, for people,
// for tools that make clients, and for the contract tests in the folder contract.
package api

import _ "embed"

// Document is openapi.yaml, as it is served at /openapi.yaml. It must not be changed.
//
//go:embed openapi.yaml
var Document []byte
