package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"agentd/internal/layout"
)

// BinEnv names a directory with prebuilt programs, as `make build` leaves them in bin/. Without it [Binaries] builds its
// own, so that a plain `go test` never runs what somebody built last week.
const BinEnv = "AGENTD_TEST_BIN"

// binaries are built once for each test process, by the first test that asks.
//
//nolint:gochecknoglobals // a cache of what is the same for every test of the process
var binaries struct {
	once sync.Once
	dir  string
	err  error
}

// Binaries returns the directory of all programs: copies of those in [BinEnv], or ones that were built from the tree just
// now. It can be read by users that a test makes, wherever the tree is. [Main] removes it; a package without it leaves it
// to the system's cleaner of temporary files.
func Binaries(t testing.TB) string {
	t.Helper()
	binaries.once.Do(func() { binaries.dir, binaries.err = copyOrBuild() })
	if binaries.err != nil {
		t.Fatal(binaries.err)
	}
	return binaries.dir
}

func copyOrBuild() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "agentd-bin-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	for name, pkg := range map[string]string{
		"agentd": "./agentd", "ctl": "./ctl",
		layout.InitProgram: "./internal/sessioninit/agentd-init", layout.ProbeProgram: "./internal/imageprobe",
		layout.HelperProgram: "./internal/helper/agentd-helper",
	} {
		to := filepath.Join(dir, name)
		if from := os.Getenv(BinEnv); from != "" {
			err = copyProgram(filepath.Join(from, name), to)
		} else {
			err = buildProgram(root, pkg, to)
		}
		if err != nil {
			return dir, err
		}
	}
	return dir, nil
}

func copyProgram(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("%s: %w: run make build", BinEnv, err)
	}
	return os.WriteFile(to, text, 0o755)
}

func buildProgram(root, pkg, to string) error {
	cmd := exec.Command("go", "build", "-o", to, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}
