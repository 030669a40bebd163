package pgserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are drawn below the kernel's own range (32768 and up), from which any
// client's outgoing connection may take one while a server is down.
const (
	firstPort = 20000
	lastPort  = 32000
)

// portClaim keeps a port from other processes of this package while its server
// is down: whoever holds the abstract socket of that name owns the port. The
// kernel drops the socket with the process; nothing lies in a folder.
type portClaim struct {
	port int
	hold net.Listener
}

func claimPort() (*portClaim, error) {
	for range 200 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		hold, err := net.Listen("unix", fmt.Sprintf("@skytools-pg-port-%d", port))
		if err != nil {
			continue
		}
		probe, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			hold.Close()
			continue
		}
		probe.Close()
		return &portClaim{port: port, hold: hold}, nil
	}
	return nil, errors.New("no free port between 20000 and 32000")
}

func (c *portClaim) release() {
	if c != nil && c.hold != nil {
		c.hold.Close()
	}
}
