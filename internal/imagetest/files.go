package imagetest

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentd/internal/testenv"
)

// File is one entry of an image. Its mode's high bits are those of tar: 04755 is a setuid program.
type File struct {
	// Name has no leading slash; one that ends in a slash is a directory.
	Name string
	Mode int64
	Body []byte
	// Link makes it a symbolic link.
	Link     string
	UID, GID int
}

// Busybox is a root filesystem with /bin/sh and the usual small programs, all of them busybox: the program of Debian's
// busybox-static, or the one that BUSYBOX names.
func Busybox(t testing.TB) []File {
	t.Helper()
	path := os.Getenv("BUSYBOX")
	if path == "" {
		path = testenv.Tool(t, "busybox")
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := Etc()
	files = append(files, File{Name: "bin/busybox", Mode: 0o755, Body: program},
		// Test processes side by side share an engine: an image of one must not be the image of another.
		File{Name: "etc/made-by", Mode: 0o644, Body: []byte(t.Name() + " " + rand.Text() + "\n")})
	for _, applet := range []string{
		"sh", "cat", "echo", "env", "false", "grep", "head", "hostname", "id", "kill", "ls", "mkdir", "mount", "nc", "ps",
		"pwd", "rm", "sleep", "sort", "stat", "tail", "test", "touch", "true", "wc", "wget", "yes", "dd", "chmod", "ln", "mv",
		"cp", "date", "seq", "printf", "tee", "tr", "sed", "awk", "cut", "find", "md5sum", "sha256sum", "stty", "timeout",
	} {
		files = append(files, File{Name: "bin/" + applet, Link: "busybox"})
	}
	return files
}

// Etc is /etc/passwd, /etc/group and the directories that every image has.
func Etc() []File {
	return []File{
		{Name: "bin/", Mode: 0o755}, {Name: "etc/", Mode: 0o755}, {Name: "tmp/", Mode: 0o1777}, {Name: "root/", Mode: 0o700},
		{Name: "etc/passwd", Mode: 0o644, Body: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")},
		{Name: "etc/group", Mode: 0o644, Body: []byte("root:x:0:\nnogroup:x:65534:\n")},
	}
}

// Setuid is a copy of busybox that belongs to root and is run as root by whoever starts it.
func Setuid(t testing.TB) File {
	t.Helper()
	for _, f := range Busybox(t) {
		if f.Name == "bin/busybox" {
			return File{Name: "bin/rootbox", Mode: 0o4755, Body: f.Body}
		}
	}
	t.Fatal("no busybox in Busybox")
	return File{}
}

// Program builds a static Go program from the text of its main package, for linux/goarch.
func Program(t testing.TB, goarch, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), testenv.Tool(t, "go"), "build", "-ldflags=-s -w", "-o", out, in)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch, "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build a program for %s: %v\n%s", goarch, err, text)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// archive makes a tar of the files, the same bytes for the same files.
func archive(t testing.TB, files []File) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{
			Name: f.Name, Mode: f.Mode, Size: int64(len(f.Body)), Uid: f.UID, Gid: f.GID,
			Typeflag: tar.TypeReg, Format: tar.FormatPAX, ModTime: time.Unix(1, 0),
		}
		switch {
		case f.Link != "":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.Link, 0o777
		case strings.HasSuffix(f.Name, "/"):
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.Body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
