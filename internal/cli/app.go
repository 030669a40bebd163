package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/internal/hint"
)

// App is one program: its tree of commands and the common switches.
type App struct {
	Name    string     // as messages and the ini section have it: londiste
	Version string     // X of "Skytools version X"
	Keys    []conf.Key // documented keys of its section, [CommonKeys] included
	// Also are sections of other names that it reads, for commands marked by
	// [ForSection] and as each says.
	Also []Section
	Root *cobra.Command // add the program's commands here

	config             string // FILE.ini
	quiet, verbose     bool
	background         bool
	reload, stop, kill bool
	printINI, version  bool
	json               bool
	wanted             []string // sections that the command reads; none: any
	running            bool     // flags and arguments were right
	mistyped           error    // --help after a word that is no command
	noted              bool     // ignored keys have been named
}

// noConfig is the annotation of commands that work without an ini file.
const noConfig = "no-config"

// NoConfig marks a command that works without an ini file.
func NoConfig(cmd *cobra.Command) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[noConfig] = "true"
	return cmd
}

// Section is a section of an ini file beside the one of the program's name.
type Section struct {
	Name    string
	Keys    []conf.Key
	Instead bool // read by any command where the file has none of the program's name
}

// forSection is the annotation of commands that read a section of their own.
const forSection = "section"

// ForSection marks a command that reads the first of the sections of those
// names, all listed in [App.Also].
func ForSection(cmd *cobra.Command, names ...string) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[forSection] = strings.Join(names, " ")
	return cmd
}

// New returns a program that has the common switches and no command yet.
func New(name, short, version string, keys []conf.Key) *App {
	a := &App{Name: name, Version: version, Keys: keys}
	a.Root = &cobra.Command{
		Use: name, Short: short,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: a.before,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			if a.config == "" {
				return nil, cobra.ShellCompDirectiveDefault // the word may be FILE.ini
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := a.Root.PersistentFlags()
	f.StringVar(&a.config, "config", "", "ini file, if not given as the first argument")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "log warnings and errors only")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log more")
	f.BoolVarP(&a.background, "daemon", "d", false, "go into the background")
	f.BoolVarP(&a.reload, "reload", "r", false, "make the running process reload (SIGHUP)")
	f.BoolVarP(&a.stop, "stop", "s", false, "make the running process finish its batch and leave (SIGINT)")
	f.BoolVarP(&a.kill, "kill", "k", false, "make the running process leave at once (SIGTERM)")
	f.BoolVarP(&a.version, "version", "V", false, "print the version")
	f.BoolVar(&a.printINI, "ini", false, "print a sample ini file")
	a.Root.SetFlagErrorFunc(flagError)
	a.Root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: name + " FILE.ini"}
	a.Root.SetHelpCommand(NoConfig(&cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command", Args: cobra.ArbitraryArgs, RunE: a.help,
	}))
	a.Root.SetHelpFunc(a.showHelp(a.Root.HelpFunc()))
	return a
}

// ProgramName is the name of names that argv0 calls for, which may be a link:
// londiste.py is londiste. Another name is the first.
func ProgramName(argv0 string, names ...string) string {
	base := strings.TrimSuffix(filepath.Base(argv0), ".py")
	if slices.Contains(names, base) {
		return base
	}
	return names[0]
}

// Run does what args (without the program's name) say and returns the exit
// status.
func (a *App) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{w: stdout}
	a.Root.SetIn(stdin)
	a.Root.SetOut(out)
	a.Root.SetErr(stderr)
	a.Root.InitDefaultHelpCmd()
	a.Root.InitDefaultCompletionCmd(args...)
	walk(a.Root, a.refuseTypos)
	a.running, a.mistyped, a.wanted = false, nil, nil
	a.Root.SetArgs(a.arrange(args))
	cmd, err := a.Root.ExecuteContextC(ctx)
	if errors.Is(err, errDone) {
		err = nil
	}
	if err = errors.Join(err, a.mistyped); err == nil {
		err = out.failure()
	}
	return a.report(stderr, cmd, err)
}

// output is stdout, with the first error kept: no command need look at each of
// its writes, and none says that it is done when a full disk ate its results.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// failure is nil where the reader of a pipe has seen enough.
func (o *output) failure() error {
	if o.err == nil || errors.Is(o.err, syscall.EPIPE) {
		return nil
	}
	return Status(ExitFailed, fmt.Errorf("write results: %w", o.err))
}

// errDone ends a command whose work a switch has done.
var errDone = errors.New("done")

// before runs when flags and arguments of a command have been understood.
func (a *App) before(cmd *cobra.Command, _ []string) error {
	if !a.version && !a.printINI { // cobra looks at this only after us
		if err := cmd.ValidateFlagGroups(); err != nil {
			return err
		}
	}
	a.running = true
	a.wanted = strings.Fields(cmd.Annotations[forSection])
	switch {
	case a.version:
		fmt.Fprintf(cmd.OutOrStdout(), "Skytools version %s\n", a.Version)
		return errDone
	case a.printINI:
		name := append(a.wanted, a.Name)[0]
		fmt.Fprint(cmd.OutOrStdout(), conf.Sample(name, a.keysOf(name)))
		return errDone
	case a.config == "" && !standsAlone(cmd):
		return hint.With(Usage(errors.New("need config file")), "%s FILE.ini COMMAND; %s --ini prints a sample file", a.Name, a.Name)
	case a.stop || a.kill || a.reload:
		if err := a.signal(cmd.OutOrStdout()); err != nil {
			return err
		}
		return errDone
	}
	return nil
}

// standsAlone tells whether cmd needs no ini file: those marked so, and
// cobra's two of completion.
func standsAlone(cmd *cobra.Command) bool {
	for c := cmd; c.HasParent(); c = c.Parent() {
		if c.Annotations[noConfig] != "" || !c.Parent().HasParent() && (c.Name() == "completion" || c.Name() == cobra.ShellCompRequestCmd) {
			return true
		}
	}
	return false
}

// arrange turns the first argument that is neither a flag nor a command into
// --config, and puts flags behind the other words: cobra takes a flag before
// the command that owns it for one with a value. While the shell completes,
// the word being completed stays where it is.
func (a *App) arrange(args []string) []string {
	var out, words, flags, rest []string
	if len(args) > 1 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) { // __complete, __completeNoDesc
		out, args, rest = args[:1:1], args[1:len(args)-1], args[len(args)-1:]
	}
	valued := valuedFlags(a.Root)
	config := false
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			rest = slices.Concat(args[i:], rest)
			i = len(args)
		case strings.HasPrefix(arg, "-") && arg != "-":
			config = config || arg == "--config" || strings.HasPrefix(arg, "--config=")
			flags = append(flags, arg)
			if takesNext(arg, valued) && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
		default:
			words = append(words, arg)
		}
	}
	if len(words) > 0 && !config && !a.isCommand(words[0]) {
		flags = append([]string{"--config", words[0]}, flags...)
		words = words[1:]
	}
	return slices.Concat(out, words, flags, rest)
}

func (a *App) isCommand(arg string) bool {
	return slices.ContainsFunc(a.Root.Commands(), func(c *cobra.Command) bool { return c.Name() == arg || c.HasAlias(arg) })
}

// valuedFlags are the flags of the tree, by name and by letter, that take a
// value.
func valuedFlags(root *cobra.Command) map[string]bool {
	valued := map[string]bool{}
	walk(root, func(cmd *cobra.Command) {
		note := func(f *pflag.Flag) {
			if f.NoOptDefVal == "" {
				valued["--"+f.Name] = true
				valued["-"+f.Shorthand] = true
			}
		}
		cmd.Flags().VisitAll(note)
		cmd.PersistentFlags().VisitAll(note)
	})
	return valued
}

// takesNext tells whether the value of flag arg is the argument after it.
func takesNext(arg string, valued map[string]bool) bool {
	if strings.HasPrefix(arg, "--") {
		return valued[arg]
	}
	for i, c := range arg[1:] { // -vn 3: only the last letter can take it
		if valued["-"+string(c)] {
			return i == len(arg)-2
		}
	}
	return false
}

// IsStdout tells whether what is written to w, a command's output, comes to
// this process's stdout unchanged.
func IsStdout(w io.Writer) bool {
	if o, ok := w.(*output); ok {
		w = o.w
	}
	return w == io.Writer(os.Stdout)
}
