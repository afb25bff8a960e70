package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Stdio is the process as ctl sees it.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	// UID is the user that ctl runs as.
	UID int
}

// OSStdio is the real one.
func OSStdio() Stdio {
	return Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, UID: os.Getuid()}
}

// terminal returns the file behind stream if that is a terminal, and nil if it is anything else.
func terminal(stream any) *os.File {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// outWidth is the number of columns to stay within; 0, without a limit, off a terminal.
func (s Stdio) outWidth() int {
	f := terminal(s.Out)
	if f == nil {
		return 0
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// color reports whether standard output takes colours: https://no-color.org.
func (a *app) color() bool {
	return !a.noColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb" && terminal(a.Out) != nil
}
