package main

import (
	"errors"
	"strconv"

	"github.com/spf13/pflag"
)

// count is the value of a flag that says how many.
type count int

// countFlag adds a flag whose value is a number that is not negative.
func countFlag(flags *pflag.FlagSet, n *int, name, short, usage string) {
	flags.VarP((*count)(n), name, short, usage)
}

func (c *count) String() string { return strconv.Itoa(int(*c)) }

// Type is what help calls the value.
func (*count) Type() string { return "int" }

// Set reads the value.
func (c *count) Set(text string) error {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return errors.New("not a number")
	case n < 0:
		return errors.New("negative")
	}
	*c = count(n)
	return nil
}
