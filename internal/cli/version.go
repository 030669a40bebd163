package cli

// Version is X of "Skytools version X". A release has the linker set it:
// -ldflags "-X github.com/skytools-go/skytools/internal/cli.Version=1.2.3".
var Version = "0.1.0-dev"
