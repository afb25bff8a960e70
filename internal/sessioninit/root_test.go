package sessioninit_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"agentd/internal/job"
)

// containerEnv makes the test binary the first process of a container.
const containerEnv = "AGENTD_TEST_CONTAINER"

// makeRoot lays out the root file system of the tests: busybox, and the directories that an engine mounts over.
func makeRoot(t testing.TB, root, busybox string) {
	t.Helper()
	for _, d := range []string{"bin", "proc", "dev/pts", "sys", "tmp", "etc", "home/work", ".agentd/session"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	chown(t, filepath.Join(root, job.HomeDir))
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o1777); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), data, 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq("sh cat sleep echo true false kill dd head tail wc ls ps stty tty env id yes nc " +
		"touch mkdir rm mv ln seq tr cut grep setsid nohup chmod date md5sum sort test stat printf sync trap expr awk") {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, ".agentd/init"), nil, 0o755); err != nil { //nolint:gosec // bound over
		t.Fatal(err)
	}
}

// becomeContainer does what an engine does between clone and exec.
func becomeContainer() int {
	runtime.LockOSThread()
	err := enter(os.Getenv("TEST_ROOT"), os.Getenv("TEST_SESSION"), os.Getenv("TEST_INIT"))
	fmt.Fprintln(os.Stderr, "container:", err)
	return 99
}

func enter(root, session, program string) error {
	type mount struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}
	for _, m := range []mount{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", root + "/proc", "proc", 0, ""},
		{"devpts", root + "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620"},
		{session, root + job.Dir, "", unix.MS_BIND, ""},
		{program, root + job.InitPath, "", unix.MS_BIND, ""},
		{"", root + job.InitPath, "", unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY, ""},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	unix.Umask(0)
	for name, minor := range map[string]int{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		path := root + "/dev/" + name
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, uint32(minor)))); err != nil { //nolint:gosec // small
			return fmt.Errorf("mknod %s: %w", path, err)
		}
	}
	if err := unix.Mknod(root+"/dev/tty", unix.S_IFCHR|0o666, int(unix.Mkdev(5, 0))); err != nil { //nolint:gosec // small
		return fmt.Errorf("mknod tty: %w", err)
	}
	if err := os.Symlink("pts/ptmx", root+"/dev/ptmx"); err != nil {
		return err
	}
	if out, err := exec.Command(root+"/bin/busybox", "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("lo: %w: %s", err, out)
	}
	if err := unix.Chroot(root); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return dropAndExec()
}

func dropAndExec() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) //nolint:errcheck // a kernel with fewer
	}
	if err := unix.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(testUID); err != nil {
		return err
	}
	if err := syscall.Setuid(testUID); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	env := []string{job.EnvSession + "=" + testName, job.EnvNonce + "=" + testNonce}
	return syscall.Exec(job.InitPath, []string{job.InitPath}, env)
}
