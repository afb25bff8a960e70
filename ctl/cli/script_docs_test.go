package cli_test

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// copyDocs gives a script the pages whose commands it runs.
func copyDocs(env *testscript.Env) error {
	for _, page := range []string{"tutorial.md", "compat.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(env.WorkDir, page), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
