// Package wire decodes the bodies of requests strictly, and encodes decisions, rule
// results and problems (RFC 9457). It serves nothing: of net/http it takes the titles of
// the statuses.
//
// What it refuses on purpose: a field given twice, unknown or of the wrong type,
// anything after a JSON object, and to show what a field held.
package wire
