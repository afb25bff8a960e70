package job

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentd/internal/beneath"
	"agentd/internal/errs"
)

func valid() Job {
	return Job{Version: Version, Dir: "/home/work", Env: []string{"A=1", "B="}, Steps: []Step{
		{Name: Bootstrap, Argv: []string{"/bin/sh"}}, {Name: Startup, Argv: []string{"true"}, Timeout: time.Second}}}
}

func TestCheck_NamesWhatCannotRun(t *testing.T) {
	j := valid()
	if err := j.Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Job){
		"version 7":       func(j *Job) { j.Version = 7 },
		"not absolute":    func(j *Job) { j.Dir = "work" },
		"negative stop":   func(j *Job) { j.StopGrace = -1 },
		"without a name":  func(j *Job) { j.Env = append(j.Env, "=x") },
		"a NUL byte":      func(j *Job) { j.Env = append(j.Env, "A=\x00") },
		`name "../x"`:     func(j *Job) { j.Steps[0].Name = "../x" },
		`name ""`:         func(j *Job) { j.Steps[0].Name = "" },
		`name "1x"`:       func(j *Job) { j.Steps[0].Name = "1x" },
		"there twice":     func(j *Job) { j.Steps[1].Name = Bootstrap },
		"no command":      func(j *Job) { j.Steps[0].Argv = nil },
		"or a negative t": func(j *Job) { j.Steps[0].Timeout = -1 },
	} {
		j := valid()
		change(&j)
		if err := j.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestParse_RefusesWhatIsNoJob(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"version":1}`} {
		if _, err := Parse([]byte(text)); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v, want invalid", text, err)
		}
	}
}

func TestResult_OfAnySizeFitsItsFile(t *testing.T) {
	end := time.Now()
	r := Result{Step: strings.Repeat("s", 32), Begin: end, End: &end, ExitCode: 127, Signal: "SIGRTMIN+30", TimedOut: true,
		Error: strings.Repeat("\x01", 100_000)}
	data, err := r.Marshal()
	if err != nil || len(data) > MaxResultBytes {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, EndName("startup")), data, 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := beneath.Dir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close() //nolint:errcheck // only read
	got, err := ReadResult(dir, EndName("startup"))
	if err != nil || got.ExitCode != 127 || !got.TimedOut || !got.End.Equal(end) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadResult(dir, EndName("bootstrap")); !errs.Is(err, errs.NotFound) {
		t.Errorf("none: %v", err)
	}
	for name, text := range map[string]string{"large": strings.Repeat(" ", MaxResultBytes+1), "cut": `{"step":"sta`} {
		if err := os.WriteFile(filepath.Join(path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadResult(dir, name); !errs.Is(err, errs.Damaged) {
			t.Errorf("%s: %v, want damaged", name, err)
		}
	}
}
