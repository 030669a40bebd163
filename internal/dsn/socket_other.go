//go:build !linux

package dsn

// setUserTimeout does nothing: as with libpq, only Linux has the option.
func setUserTimeout(int, int) error { return nil }
