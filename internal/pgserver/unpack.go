package pgserver

import (
	"context"
	"errors"
)

func unpack(context.Context, FindOptions) (Binaries, error) {
	return Binaries{}, errors.New("nothing to unpack from")
}
