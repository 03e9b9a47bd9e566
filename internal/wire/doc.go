// Package wire is what both doors read and write alike: the strict decoders of
// requests, problems (RFC 9457), rule results, request ids and log tags. It serves
// nothing: of net/http it takes the titles of the statuses.
//
// What it refuses on purpose: a field given twice, unknown or of the wrong type,
// anything after a JSON object, and to show what a field held.
package wire
