// Command mkdeb builds the Debian package of agentd, at the root of the module: `mkdeb -arch arm64 -out bin`. It needs
// make and dpkg-deb, and builds for other architectures without their compilers, since nothing here is C.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// job is one package to be.
type job struct {
	version, arch string
	// stamp is the version that the programs tell.
	stamp string
	// date is that of the changelog, the manual pages and all files: the same source makes the same package.
	date time.Time
	// stage is the root of its files.
	stage string
	// compress is how dpkg-deb compresses them: xz, or none where time is dearer than room.
	compress string
}

func main() {
	arch := flag.String("arch", "amd64", "architecture, as Go and Debian call it: amd64 or arm64")
	stamp := flag.String("version", "dev", "version that the programs tell, as git describe has it")
	compress := flag.String("compress", "xz", "how dpkg-deb compresses: xz, or none")
	out := flag.String("out", "bin", "directory of the package")
	flag.Parse()
	file, err := run(job{arch: *arch, stamp: *stamp, compress: *compress}, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mkdeb:", err)
		os.Exit(1)
	}
	fmt.Println(file)
}

func run(j job, out string) (file string, err error) {
	j.date = sourceDate()
	if j.version, err = debianVersion(j.stamp, j.date); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "agentd-deb-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	j.stage = filepath.Join(dir, "root")
	for _, step := range []func(job) error{install, programs, manuals, completions, documents, licences, settle, control} {
		if err := step(j); err != nil {
			return "", err
		}
	}
	file = filepath.Join(out, fmt.Sprintf("agentd_%s_%s.deb", j.version, j.arch))
	cmd := command(j, "dpkg-deb", "--root-owner-group", "-Z"+j.compress, "--build", j.stage, file)
	cmd.Stdout = os.Stderr
	return file, cmd.Run()
}

// install lets the Makefile put each file in its place: there is one list of them.
func install(j job) error {
	cmd := command(j, "make", "--no-print-directory", "install", "BIN="+filepath.Join(filepath.Dir(j.stage), "bin"),
		"DESTDIR="+j.stage, "PREFIX=/usr", "VERSION="+j.stamp)
	// Where it puts them is nobody's business.
	if out, err := cmd.Output(); err != nil {
		return fmt.Errorf("make install: %w\n%s", err, out)
	}
	return nil
}

func command(j job, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	// make in make would take over its parent's flags.
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MAKE") && !strings.HasPrefix(v, "MFLAGS=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GOARCH="+j.arch, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", j.date.Unix()))
	return cmd
}
