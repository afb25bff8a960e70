package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"agentd/internal/errs"
)

// show writes a map of what was set, with "<none>" for what is removed.
func show(set map[string]*string) map[string]string {
	shown := map[string]string{}
	for name, value := range set {
		shown[name] = "<none>"
		if value != nil {
			shown[name] = *value
		}
	}
	return shown
}

func TestMountSpecs(t *testing.T) {
	t.Parallel()
	for specs, want := range map[string]map[string]string{
		"data":                                  {"data": ""},
		"data:/x":                               {"data": "/x"},
		"data=/x":                               {"data": "/x"},
		"data:/x:ro":                            {"data": "/x:ro"},
		"data=/x:rw":                            {"data": "/x:rw"},
		"data:ro":                               {"data": ":ro"},
		"data/sub:x":                            {"data/sub": "x"},
		"/host/dir:/x":                          {"/host/dir": "/x"},
		"/host/dir":                             {"/host/dir": ""},
		"data-":                                 {"data": "<none>"},
		"a-b":                                   {"a-b": ""},
		"/a=b:c":                                {"/a": "b:c"},
		"type=bind,source=/a=b,target=/x":       {"/a=b": "/x"},
		"type=bind,source=v,target=/x,perm=ro":  {"v": "/x:ro"},
		"type=bind,src=v,dst=/x,readonly":       {"v": "/x:ro"},
		"source=v,perm=rw":                      {"v": ""},
		"type=vfolder,source=v,destination=y":   {"v": "y"},
		"type=bind,source=v,target=/x,perm=wd":  {"v": "/x"},
		"a b:/x c":                              {"a": "", "b": "/x", "c": ""},
		"data:":                                 {"data": ""},
		"":                                      nil,
		":/x":                                   nil,
		"=/x":                                   nil,
		"type=tmpfs,target=/x":                  nil,
		"type=bind,target=/x":                   nil,
		"type=bind,source=v,perm=rx":            nil,
		"type=bind,source=v,size=3":             nil,
		"data data:/x":                          nil,
		"type=bind,source=v,target=/x,ro=false": nil,
	} {
		list := strings.Split(specs, " ")
		if strings.HasPrefix(specs, "a b") {
			list = []string{"a", "b:/x", "c"}
		}
		set, err := mountSpecs(&cobra.Command{Use: "x"}, list)
		if (err != nil) != (want == nil) || err != nil && !errs.Is(err, errs.Usage) {
			t.Errorf("%q: error %v", specs, err)
			continue
		}
		if diff := cmp.Diff(want, show(set)); err == nil && diff != "" {
			t.Errorf("%q (-want +got)\n%s", specs, diff)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	a := &app{Stdio: Stdio{Getenv: func(name string) string {
		return map[string]string{"HERE": "of here"}[name]
	}}}
	got, err := a.environment(&cobra.Command{}, []string{"A=1", "B=", "C=x=y\nz", "HERE", "GONE-", "D-E=1"})
	want := map[string]string{"A": "1", "B": "", "C": "x=y\nz", "HERE": "of here", "GONE": "<none>", "D-E": "1"}
	if diff := cmp.Diff(want, show(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for _, bad := range []string{"", "=x", "-", "ELSEWHERE"} {
		if _, err := a.environment(&cobra.Command{}, []string{bad}); !errs.Is(err, errs.Usage) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAmountsAndParams(t *testing.T) {
	t.Parallel()
	got, err := amounts(&cobra.Command{}, []string{"cpu=2", "mem=4g", "cuda.device-"})
	want := map[string]string{"cpu": "2", "mem": "4g", "cuda.device": "<none>"}
	if diff := cmp.Diff(want, show(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for _, bad := range []string{"cpu", "cpu=", "=2", "-", ""} {
		if _, err := amounts(&cobra.Command{}, []string{bad}); !errs.Is(err, errs.Usage) {
			t.Errorf("amount %q: %v", bad, err)
		}
		if bad == "cpu=" {
			continue
		}
		if _, err := params(&cobra.Command{}, []string{bad}); !errs.Is(err, errs.Usage) {
			t.Errorf("param %q: %v", bad, err)
		}
	}
}
