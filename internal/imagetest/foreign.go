package imagetest

import "testing"

// Foreign is an image for another architecture than this machine's, whose programs are one static program of our own: no
// package of another architecture is needed. Its /bin/sh knows `uname -m`, `cat FILE`, `echo WORDS`, && and lines.
func Foreign(t testing.TB, architecture string) Image {
	t.Helper()
	files := append(Etc(),
		File{Name: "bin/sh", Mode: 0o755, Body: Program(t, architecture, foreignShell)},
		File{Name: "etc/os-release", Mode: 0o644, Body: []byte("NAME=foreign\n")},
	)
	return Image{Architecture: architecture, Layers: [][]File{files}, Env: []string{"PATH=/bin"}, Cmd: []string{"/bin/sh"}}
}

const foreignShell = `package main

import (
	"os"
	"strings"
	"syscall"
)

func main() {
	script := ""
	switch {
	case len(os.Args) > 2 && strings.HasPrefix(os.Args[1], "-"):
		script = os.Args[2]
	case len(os.Args) > 1:
		text, err := os.ReadFile(os.Args[1])
		if err != nil {
			os.Exit(127)
		}
		script = string(text)
	}
	for _, line := range strings.Split(strings.ReplaceAll(script, "&&", "\n"), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0, words[0] == ":":
		case words[0] == "echo":
			os.Stdout.WriteString(strings.Join(words[1:], " ") + "\n")
		case words[0] == "cat" && len(words) == 2:
			text, err := os.ReadFile(words[1])
			if err != nil {
				os.Exit(1)
			}
			os.Stdout.Write(text)
		case line != "" && strings.Join(words, " ") == "uname -m":
			var u syscall.Utsname
			syscall.Uname(&u)
			var name []byte
			for _, c := range u.Machine {
				if c == 0 {
					break
				}
				name = append(name, byte(c))
			}
			os.Stdout.WriteString(string(name) + "\n")
		default:
			os.Stderr.WriteString("sh: " + words[0] + ": not found\n")
			os.Exit(127)
		}
	}
}
`
