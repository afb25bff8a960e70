// Package readme holds only a test: it runs the commands of README.md as an ordinary user would.
package readme
