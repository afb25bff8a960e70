// Package archtest holds only tests: they fail when the tree stops being what internal/README.md says it is.
package archtest
