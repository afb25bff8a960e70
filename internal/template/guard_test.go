package template

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"agentd/internal/errs"
)

// hostile are sources that must be refused in little time and memory; each is as large as it may be, or larger.
func hostile() map[string]func() string {
	fill := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	many := func(n int, format string) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	const most = MaxDocumentBytes - 100
	return map[string]func() string{
		"10 MB":                  func() string { return fill("a: b\n", 10<<20) },
		"a million keys":         func() string { return many(12<<20, "k%d: 1\n") },
		"1 MiB of keys":          func() string { return many(MaxRequestBytes-20, "k%d: 1\n") },
		"many keys":              func() string { return many(most, "k%d:\n") },
		"duplicate keys":         func() string { return "{" + fill("a: 1, ", most) + "}" },
		"100k brackets":          func() string { return strings.Repeat("[", 100_000) },
		"closed brackets":        func() string { return strings.Repeat("[", 60_000) + strings.Repeat("]", 60_000) },
		"braces":                 func() string { return fill("{a: ", most) },
		"nested lists":           func() string { return fill("- ", most) },
		"complex keys":           func() string { return fill("? ", most) },
		"aliases":                func() string { return "a: &a 1\nb: [" + fill("*a,", most) + "]" },
		"alias bomb":             func() string { return "a: &a [1,1,1,1,1,1,1,1]\n" + bomb('b', 'z') },
		"one long line":          func() string { return "[" + fill("a,", most) + "]" },
		"empty items":            func() string { return fill("-\n", most) },
		"comments":               func() string { return fill("a: #\n", most) },
		"json brackets":          func() string { return strings.Repeat("[", MaxRequestBytes) },
		"json values":            func() string { return fill("{}", MaxRequestBytes) },
		"json items":             func() string { return "[" + fill("1,", MaxRequestBytes-3) + "1]" },
		"documents":              func() string { return fill("---\n~\n", MaxRequestBytes) },
		"wrong documents":        func() string { return fill("a: \"\n---\n", MaxRequestBytes) },
		"documents of all sizes": func() string { return strings.Repeat(fill("a: b c d: e\n", most)+"\n---\n", 7) },
		"line separators":        func() string { return fill("\u2028", most) },
		"quotes":                 func() string { return `"` + fill(`\"`, most) },
		"directives":             func() string { return fill("%TAG !a! b\n", most) + "---\n" },
	}
}

// bomb makes every letter a list of eight of the one before.
func bomb(from, to rune) string {
	var b strings.Builder
	for c := from; c <= to; c++ {
		fmt.Fprintf(&b, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 8), ","))
	}
	return b.String()
}

func TestParse_RefusesHostileSources(t *testing.T) {
	for name, src := range hostile() {
		if _, err := Parse("", []byte(src())); !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.TooLarge) {
			t.Errorf("%s: Parse = %v; want a refusal", name, err)
		}
	}
}

func TestParse_TooLarge(t *testing.T) {
	for name, row := range map[string]struct{ src, want string }{
		"request":  {strings.Repeat(" ", MaxRequestBytes+1), "the templates are 1048577 bytes together; at most 1048576 are read"},
		"document": {"a: 1\n---\n" + strings.Repeat("#", MaxDocumentBytes) + "\na: 1\n", "the document at line 2 is 131082 bytes; at most 131072 are read"},
		"json":     {"{}\n[\"" + strings.Repeat("a", MaxDocumentBytes) + "\"]", "the document at line 2 is 131076 bytes; at most 131072 are read"},
	} {
		_, err := Parse("", []byte(row.src))
		if !errs.Is(err, errs.TooLarge) || err.Error() != row.want {
			t.Errorf("%s: Parse = %v; want %s", name, err, row.want)
		}
	}
	most := strings.Repeat("#", MaxDocumentBytes-2-len(oneLine)) + "\n" + oneLine + "\n"
	if _, err := Parse("", []byte(most+"---\n"+oneLine)); err != nil {
		t.Errorf("Parse of a document of exactly %d bytes = %v", MaxDocumentBytes, err)
	}
}

const oneLine = "{api_version: v1, kind: taskTemplate, metadata: {name: a}, spec: {kernel: {image: a}}}"

// hostileEnv makes the test binary the child of the test below: it parses one hostile source and tells its peak memory.
const hostileEnv = "AGENTD_TEST_HOSTILE"

// maxPeak is the memory that reading any source may need, over that of a process which has only made the source.
const maxPeak = 50 << 20

func TestParse_BoundedMemory(t *testing.T) {
	if name := os.Getenv(hostileEnv); name != "" {
		text := []byte(hostile()[name]())
		before := peakOf(t)
		_, err := Parse("", text)
		fmt.Printf("needed=%d %v\n", peakOf(t)-before, errs.CodeOf(err))
		return
	}
	if underRace {
		t.Skip("the race detector needs memory of its own")
	}
	for name := range hostile() {
		cmd := exec.Command(os.Args[0], "-test.run=^TestParse_BoundedMemory$", "-test.count=1")
		cmd.Env = append(os.Environ(), hostileEnv+"="+name)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		var needed int64
		var code string
		if _, err := fmt.Sscanf(string(out), "needed=%d %s", &needed, &code); err != nil {
			t.Fatalf("%s: %v: %q", name, err, out)
		}
		t.Logf("%s: %d KiB, %s", name, needed>>10, code)
		if needed > maxPeak {
			t.Errorf("%s: needs %d MiB; want at most %d", name, needed>>20, maxPeak>>20)
		}
	}
}

// peakOf is the greatest resident memory of this process so far, in bytes.
func peakOf(t *testing.T) int64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmHWM in /proc/self/status")
	return 0
}
