package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	status := flag.Int("status", 0, "exit `status` of the run: unless it is 0, there was a failure")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: testsum [-status N] FILE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	f, err := os.Open(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(2)
	}
	defer f.Close()
	s := newSuite()
	if err := s.read(f); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		*status = max(*status, 1)
	}
	if !s.report(os.Stdout, *status, os.Getenv("CI") != "") {
		os.Exit(1)
	}
}
