// Package skytools holds no code: it is the root of Skytools for Go, PgQ
// queues and Londiste replication for PostgreSQL. README.md says what it is,
// ARCHITECTURE.md where things are; house_test.go keeps the rules that
// CONTRIBUTING.md tells.
package skytools
