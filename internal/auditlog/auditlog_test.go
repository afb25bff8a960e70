package auditlog_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/api"
	"agentd/internal/auditlog"
	"agentd/internal/layout"
)

const childEnv = "AGENTD_TEST_AUDIT_CHILD"

// TestMain is, as a child, an agentd that does nothing but write entries and say each one's number afterwards.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		l, err := auditlog.Open(layout.Audit(dir), 1<<30, time.Now, func(error) {})
		if err != nil {
			os.Exit(1)
		}
		for i := 0; ; i++ {
			if _, err := l.Append(entry(1, fmt.Sprint(i)), false); err != nil {
				os.Exit(1)
			}
			fmt.Println(i)
		}
	}
	os.Exit(m.Run())
}

func entry(uid uint32, ref string) api.AuditEntry {
	return api.AuditEntry{Time: time.Now().UTC(), UID: uid, PID: 3, Action: "delete-template", Outcome: api.OutcomeDone, Ref: ref}
}

func open(t *testing.T, dir string, max int64) *auditlog.Log {
	t.Helper()
	l, err := auditlog.Open(layout.Audit(dir), max, time.Now, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func refs(t *testing.T, l *auditlog.Log, q auditlog.Query) string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	list, err := l.Read(q)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range list {
		all = append(all, e.Ref)
	}
	return strings.Join(all, " ")
}

func add(t *testing.T, l *auditlog.Log, e api.AuditEntry) {
	t.Helper()
	if written, err := l.Append(e, false); err != nil || !written {
		t.Fatal(written, err)
	}
}

func TestRead_Selects(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit"), 1<<20)
	one, two := uint32(1), uint32(2)
	begin := time.Now()
	for i, e := range []api.AuditEntry{
		{UID: 1, Ref: "a", Owner: &one, Session: "s1", SessionName: "mine", Template: "t1", TemplateName: "tpl"},
		{UID: 2, Ref: "mine"}, // refused: whose it is, is not said
		{UID: 0, Ref: "b", Owner: &one, Session: "s1", SessionName: "mine"}, // root with what is 1's
		{UID: 2, Ref: "c", Owner: &two, Template: "t2", TemplateName: "tpl"},
	} {
		e.Action, e.Time = "x", begin.Add(time.Duration(i)*time.Second)
		add(t, l, e)
	}
	for _, c := range []struct {
		name string
		q    auditlog.Query
		want string
	}{
		{"all", auditlog.Query{}, "a mine b c"},
		{"the newest", auditlog.Query{Limit: 2}, "b c"},
		{"since", auditlog.Query{Since: begin.Add(time.Second)}, "mine b c"},
		{"one's own, and others' about it", auditlog.Query{Of: &one}, "a b"},
		{"of the other", auditlog.Query{Of: &two}, "mine c"},
		{"by", auditlog.Query{By: &two}, "mine c"},
		{"by root with one's own", auditlog.Query{By: new(uint32), Of: &one}, "b"},
		{"session by id", auditlog.Query{Session: "s1"}, "a b"},
		{"session by name, or as it was called", auditlog.Query{Session: "mine"}, "a mine b"},
		{"template by id", auditlog.Query{Template: "t2"}, "c"},
		{"template by name", auditlog.Query{Template: "tpl"}, "a c"},
	} {
		if got := refs(t, l, c.q); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAppend_IsPrivateBoundedAndNobodyPushesOutAnother(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	const max = 64 << 10
	l := open(t, dir, max)
	add(t, l, entry(1, "first"))
	for i := range 3000 {
		add(t, l, entry(2, fmt.Sprint(i)))
	}
	var size int64
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v", f.Name(), info.Mode())
		}
		size += info.Size()
	}
	if size > max+1024 || len(files) != 3 {
		t.Errorf("%d files take %d bytes", len(files), size)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
	two := uint32(2)
	got := refs(t, l, auditlog.Query{By: &two, Limit: 10000})
	if !strings.HasSuffix(got, " 2998 2999") || strings.HasPrefix(got, "0 ") {
		t.Errorf("the newest are kept, the oldest go: %.20s … %s", got, got[len(got)-20:])
	}
	one := uint32(1)
	if got := refs(t, l, auditlog.Query{By: &one}); got != "first" {
		t.Errorf("of the quiet one: %q", got)
	}
}

func TestAppend_LeavesOutWhatIsRepeatedAndCountsIt(t *testing.T) {
	now := time.Now()
	l, err := auditlog.Open(layout.Audit(filepath.Join(t.TempDir(), "audit")), 1<<20, func() time.Time { return now }, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, ref := range []string{"a", "a", "b", "a"} {
		if _, err := l.Append(entry(1, ref), true); err != nil {
			t.Fatal(err)
		}
	}
	if got := refs(t, l, auditlog.Query{}); got != "a b" {
		t.Errorf("%q", got)
	}
	now = now.Add(time.Minute)
	if _, err := l.Append(entry(1, "a"), true); err != nil {
		t.Fatal(err)
	}
	list, err := l.Read(auditlog.Query{Limit: 1})
	if err != nil || len(list) != 1 || list[0].Repeated != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	add(t, l, entry(1, "a")) // a change is never left out
	if got := refs(t, l, auditlog.Query{}); got != "a b a a" {
		t.Errorf("%q", got)
	}
}

// Whatever was acknowledged is there after a kill, and half a line harms nothing but itself.
func TestAppend_OutlivesAKill(t *testing.T) {
	for round := range 5 {
		dir := filepath.Join(t.TempDir(), "audit")
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{childEnv + "=" + dir}
		var said bytes.Buffer
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		for said.Len() < 2000*(round+1) {
			n, err := out.Read(buf)
			said.Write(buf[:n])
			if err != nil {
				t.Fatal(err)
			}
		}
		cmd.Process.Kill()
		for n, err := out.Read(buf); err == nil; n, err = out.Read(buf) {
			said.Write(buf[:n])
		}
		cmd.Wait()
		last := strings.Split(strings.TrimSpace(said.String()), "\n")
		file := filepath.Join(dir, "1.jsonl")
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(`{"time":"2026-01-02T15:04:05Z","uid":1,"act`)
		f.Close()
		l := open(t, dir, 1<<30)
		add(t, l, entry(1, "after"))
		got := refs(t, l, auditlog.Query{Limit: 1 << 20})
		if want := strings.Join(last[:len(last)-1], " "); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, " after") {
			t.Errorf("%d acknowledged, and there are %d", len(last), len(strings.Fields(got)))
		}
	}
}

func TestAppend_SaysWhatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := open(t, dir, 1<<20)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(entry(1, "a"), false); err == nil {
		t.Error("an entry is written into nothing")
	}
}

func TestAppend_IsSafeForMany(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit"), 1<<20)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				l.Append(entry(uint32(i%2), "x"), i%4 == 0)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(6*50+1, len(strings.Fields(refs(t, l, auditlog.Query{})))); diff != "" {
		t.Error(diff)
	}
}
