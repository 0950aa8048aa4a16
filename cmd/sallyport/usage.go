package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/internal/phrase"
)

// What cobra and pflag have to say of a command line is said in our words here,
// and nowhere else.

// didYouMean is the hint for a word that is not known: the one that was
// probably meant, or all that there are.
func didYouMean(word string, known []string, otherwise string) string {
	if near := phrase.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return otherwise
}

// thereAre lists names for a hint.
func thereAre(what string, names []string) string {
	if len(names) == 0 {
		return "there is no " + what
	}
	return "there are: " + strings.Join(names, ", ")
}

// unknown is a name that is not there.
func unknown(what, name string, known []string, otherwise string) error {
	if len(known) > 0 {
		otherwise = thereAre(what, known)
	}
	return hinted{fmt.Errorf("there is no %s %q", what, name), didYouMean(name, known, otherwise)}
}

// unknownCommand is a command or a subcommand that is not there.
func unknownCommand(parent *cobra.Command, word string) error {
	var names []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	what, otherwise := fmt.Sprintf("unknown command %q", word), parent.CommandPath()+" --help lists the commands"
	if parent.HasParent() {
		what += " of " + parent.CommandPath()
		otherwise = thereAre("command", names)
	}
	return usageError{hinted{errors.New(what), didYouMean(word, names, otherwise)}}
}

// args turns a wrong number of arguments, and flags that do not go together,
// into usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		if check(cmd, list) != nil {
			return argumentProblem(cmd, check, list)
		}
		if flags := together(cmd); flags != "" {
			return usageError{hinted{fmt.Errorf("%s do not go together", flags), "usage: " + cmd.UseLine()}}
		}
		return nil
	}
}

// without is a flag that was given without its value, where it may have one: such
// a value is never a word of its own.
func without(cmd *cobra.Command) (name string) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.NoOptDefVal != "" && f.Value.Type() == "string" && f.Value.String() == f.NoOptDefVal {
			name = f.Name
		}
	})
	return name
}

// argumentProblem says what is wrong with the number of arguments.
func argumentProblem(cmd *cobra.Command, check cobra.PositionalArgs, list []string) error {
	if cmd.HasAvailableSubCommands() && len(list) > 0 {
		return unknownCommand(cmd, list[0])
	}
	err := errors.New("an argument is missing")
	for n := len(list) - 1; n >= 0; n-- { // the longest beginning that fits
		if check(cmd, list[:n]) == nil {
			err = fmt.Errorf("one argument too many: %q", list[n])
			if flag := without(cmd); flag != "" {
				return usageError{hinted{err, fmt.Sprintf("the value of --%s stands behind an equals sign: --%s=%s", flag, flag, strings.TrimLeft(list[n], "="))}}
			}
			break
		}
	}
	return usageError{hinted{err, "usage: " + cmd.UseLine()}}
}

// together names two flags that were given and exclude each other, or is empty.
func together(cmd *cobra.Command) string {
	if cmd.ValidateFlagGroups() == nil {
		return ""
	}
	const exclusive = "cobra_annotation_mutually_exclusive" // as cobra's flag_groups.go has it
	groups := map[string][]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		for _, g := range f.Annotations[exclusive] {
			groups[g] = append(groups[g], "--"+f.Name)
		}
	})
	for _, flags := range groups {
		if len(flags) > 1 {
			return strings.Join(flags, " and ")
		}
	}
	return "these flags"
}

// flagProblem says what is wrong with a flag.
func flagProblem(cmd *cobra.Command, err error) error {
	var (
		absent  *pflag.NotExistError
		empty   *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		none    *pflag.InvalidSyntaxError
		hint    = cmd.CommandPath() + " --help lists the flags"
	)
	switch {
	case errors.As(err, &absent):
		hint, err = unknownFlag(cmd, absent, hint)
	case errors.As(err, &none):
		err = fmt.Errorf("%q is no flag: want two dashes, a name, and a value behind an equals sign where it has one", none.GetSpecifiedFlag())
	case errors.As(err, &empty):
		err = fmt.Errorf("%s needs a value", dashed(empty.GetFlag()))
	case errors.As(err, &invalid):
		err = fmt.Errorf("%s %q: %w", dashed(invalid.GetFlag()), invalid.GetValue(), valueProblem(invalid))
	}
	return usageError{hinted{err, hint}}
}

func dashed(f *pflag.Flag) string { return "--" + f.Name }

// valueProblem is what our own flags say; the standard ones speak of Go.
func valueProblem(invalid *pflag.InvalidValueError) error {
	switch invalid.GetFlag().Value.Type() {
	case "bool":
		return errors.New("want true or false, or the flag alone")
	case "uint16":
		return errors.New("want a number from 0 to 65535")
	case "int":
		return errors.New("want a whole number")
	}
	return invalid.Unwrap()
}

// unknownFlag says what was probably meant, and names the flag.
func unknownFlag(cmd *cobra.Command, absent *pflag.NotExistError, otherwise string) (hint string, err error) {
	if absent.GetSpecifiedShortnames() != "" {
		return otherwise, fmt.Errorf("unknown flag -%s", absent.GetSpecifiedName())
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, dashed(f))
		}
	})
	slices.Sort(names)
	name := "--" + absent.GetSpecifiedName()
	return didYouMean(name, names, otherwise), fmt.Errorf("unknown flag %s", name)
}
