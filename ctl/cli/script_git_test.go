package cli_test

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// gitAsked checks how often the git host was asked for the branches of a repository, and for its objects. Other stories
// run beside this one: a script that asks uses a repository of its own.
func (w *world) gitAsked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: git-asked REPOSITORY REFS PACKS")
	}
	refs, packs := 0, 0
	for _, r := range w.git.Seen() {
		if !strings.HasPrefix(r.Path, "/"+args[0]+".git/") && !strings.HasPrefix(r.Path, "/"+args[0]+"/") {
			continue
		}
		if r.Method == http.MethodPost {
			packs++
		} else {
			refs++
		}
	}
	if got, want := fmt.Sprint(refs, " ", packs), args[1]+" "+args[2]; got != want {
		ts.Fatalf("the host was asked for branches and for objects %s times in all, want %s", got, want)
	}
}
