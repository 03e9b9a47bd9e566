// Package wire decodes the bodies of requests strictly, and encodes decisions, rule
// results and problems (RFC 9457). It serves nothing: of net/http it takes the titles of
// the statuses. What a field may hold is judged by velocity, not here.
//
// # Formats
//
// A body is one flat JSON object (RFC 8259) or a form
// (application/x-www-form-urlencoded); without Content-Type it is JSON. URL parameters
// are a form. [DecodeJSON] and [DecodeForm] fill the velocity.Fields of a route, whose
// [FieldSet] says which fields it takes; [DecodeStrings] reads the few strings of the
// login routes. Answers are JSON without blanks, appended to a buffer of the caller;
// problems are application/problem+json.
//
// # Refusals
//
// Each is a [DecodeError] that [ProblemOf] turns into a 400: a field given twice, unknown
// or of the wrong type, a nested value, anything after a JSON object, an escape that is
// no escape, text that is not UTF-8. An error says what was expected and where, and never
// what a field held: that may be card data. Bodies over [MaxBody] are refused before they
// come here.
package wire
