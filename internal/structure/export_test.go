package structure

// Canonical is for comparing dumps: pg_dump's text has the same two forms.
var Canonical = canonical
