package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skytools-go/skytools/internal/hint"
)

func walk(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		walk(c, do)
	}
}

// words are the words that call cmd, without the program's.
func words(cmd *cobra.Command) []string {
	var all []string
	for c := cmd; c.HasParent(); c = c.Parent() {
		all = append(all, c.Name())
	}
	slices.Reverse(all)
	return all
}

// refuseTypos makes a command that only groups others fail when it is called
// by itself or with a word it does not know; cobra would print help and end
// with status 0.
func (a *App) refuseTypos(cmd *cobra.Command) {
	if cmd.Runnable() || !cmd.HasSubCommands() && cmd.HasParent() {
		return
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = needCommand
}

func needCommand(cmd *cobra.Command, args []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	under := ""
	if cmd.HasParent() {
		under = " after " + strings.Join(words(cmd), " ")
	}
	one := "one of: " + strings.Join(names, ", ")
	if len(args) == 0 {
		return hint.With(Usage(errors.New("need command"+under)), "%s", one)
	}
	err := Usage(fmt.Errorf("unknown command %q%s", args[0], under))
	if near := hint.Nearest(args[0], names); near != "" {
		return hint.With(err, "did you mean %q?", near)
	}
	return hint.With(err, "%s", one)
}

// help is the command of that name.
func (a *App) help(_ *cobra.Command, args []string) error {
	cmd, rest, err := a.Root.Find(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return needCommand(cmd, rest)
	}
	cmd.InitDefaultHelpFlag()
	return cmd.Help()
}

// showHelp is --help. A word before it that is no command is an error all the
// same.
func (a *App) showHelp(show func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, args []string) {
		if rest := cmd.Flags().Args(); cmd.HasSubCommands() && len(rest) > 0 {
			a.mistyped = needCommand(cmd, rest)
			return
		}
		show(cmd, args)
	}
}

// flagError adds the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return Usage(err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := hint.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return hint.With(Usage(err), "did you mean --%s?", near)
	}
	return hint.With(Usage(err), "%s --help lists the flags", strings.Join(append([]string{cmd.Root().Name()}, words(cmd)...), " "))
}

// Check holds the tree of commands to the rules of all programs, for a test of
// the program: each command is described and limits its arguments, a flag's
// name takes a value everywhere or nowhere (the pass that finds FILE.ini
// depends on it), no command but Root has a PersistentPreRun, and a mistyped
// word under any group ends with status 2.
func (a *App) Check() error {
	var errs []error
	valued := map[string]bool{}
	var groups [][]string
	walk(a.Root, func(cmd *cobra.Command) {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%s: %s", strings.Join(words(cmd), " "), fmt.Sprintf(format, args...)))
		}
		if cmd.Short == "" {
			fail("no Short description")
		}
		if cmd != a.Root && (cmd.PersistentPreRun != nil || cmd.PersistentPreRunE != nil) {
			fail("its PersistentPreRun hides the program's")
		}
		if cmd.HasSubCommands() {
			groups = append(groups, words(cmd))
		} else if cmd.Args == nil {
			fail("Args is not set: superfluous arguments would pass")
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			now := f.NoOptDefVal == ""
			if before, seen := valued[f.Name]; seen && now != before {
				fail("--%s takes a value in some commands only", f.Name)
			}
			valued[f.Name] = now
		})
	})
	for _, g := range groups {
		for _, last := range []string{"mistyped", "--help"} {
			args := slices.Concat([]string{"x.ini"}, g, []string{"mistyped", last})
			if status := a.Run(context.Background(), args, strings.NewReader(""), io.Discard, io.Discard); status != ExitUsage {
				errs = append(errs, fmt.Errorf("%s: status %d", strings.Join(args, " "), status))
			}
		}
	}
	return errors.Join(errs...)
}
