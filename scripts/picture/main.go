package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "record":
		lines, err := record(args[1])
		if err != nil {
			return err
		}
		return os.WriteFile(args[2], []byte(format(lines)), 0o644)
	case len(args) == 3 && args[0] == "draw":
		text, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		lines, err := parse(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", args[1], err)
		}
		return os.WriteFile(args[2], []byte(draw(lines)), 0o644)
	}
	return fmt.Errorf("usage: picture record PROGRAM RECORDING, or picture draw RECORDING PICTURE")
}
