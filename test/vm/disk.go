// Package vm checks the Debian package in a virtual machine with systemd and cgroup v2, which is made of Debian's packages
// and emulated: it needs no hardware. Package guest is what runs inside.
package vm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// CacheEnv names the directory that keeps the machine's disk between runs; agentd-vm in the user's cache directory else.
const CacheEnv = "AGENTD_VM_CACHE"

const suite = "trixie"

// packages are what the machine has beside the essential ones.
func packages() []string {
	return []string{
		"systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "udev", "kmod", "procps",
		"docker.io", "docker-cli", "iptables", "busybox-static", "init-system-helpers", "linux-image-cloud-amd64",
	}
}

// smallInitrd is run before the kernel is installed: its initrd has the drivers of this machine's disk, and not those of all
// others, which take time to pack and to unpack.
const smallInitrd = `cd "$1/etc" && mkdir -p initramfs-tools/conf.d &&
	printf 'MODULES=list\nCOMPRESS=gzip\n' >initramfs-tools/conf.d/small &&
	printf 'virtio_pci\nvirtio_blk\next4\n' >initramfs-tools/modules`

// checksUnit runs what is on the second disk, shows it on the console, and switches the machine off.
const checksUnit = `[Unit]
Description=Checks of agentd
After=multi-user.target docker.service
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
ExecStartPre=/bin/mount -o ro LABEL=payload /mnt
ExecStart=/mnt/run
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0

[Install]
WantedBy=default.target
`

// files are put on the disk, by name; an empty text masks a unit that would only cost time.
func files() map[string]string {
	const units = "etc/systemd/system/"
	f := map[string]string{
		units + "vm-checks.service": checksUnit,
		"etc/hostname":              "agentd-vm\n",
		"etc/docker/daemon.json":    `{"live-restore": true}` + "\n",
	}
	for unit := range strings.FieldsSeq(`serial-getty@ttyS0.service getty@tty1.service apt-daily.timer apt-daily-upgrade.timer
		dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-pstore.service`) {
		f[units+unit] = ""
	}
	return f
}

// disk is a machine's disk with its kernel.
type disk struct{ image, kernel, initrd string }

// openDisk returns the disk of the recipe above, which it makes if it is not in the cache yet: that needs root and takes a
// minute.
func openDisk(ctx context.Context, log io.Writer) (disk, error) {
	dir, err := cacheDir()
	if err != nil {
		return disk{}, err
	}
	d := disk{filepath.Join(dir, "disk.img"), filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initrd.img")}
	if _, err := os.Stat(dir); err == nil {
		return d, nil
	}
	if os.Geteuid() != 0 {
		return disk{}, errors.New("making the machine's disk needs root")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return disk{}, err
	}
	// Whole or not at all.
	work, err := os.MkdirTemp(filepath.Dir(dir), ".making-")
	if err != nil {
		return disk{}, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // the next run makes another
	if err := makeDisk(ctx, work, log); err != nil {
		return disk{}, err
	}
	return d, os.Rename(filepath.Join(work, "out"), dir)
}

// cacheDir is where the disk of this recipe is: another recipe has another.
func cacheDir() (string, error) {
	cache := os.Getenv(CacheEnv)
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("%w: set %s", err, CacheEnv)
		}
		cache = filepath.Join(user, "agentd-vm")
	}
	sum := sha256.New()
	fmt.Fprintln(sum, suite, packages(), files(), smallInitrd)
	return filepath.Join(cache, fmt.Sprintf("%x", sum.Sum(nil)[:8])), nil
}

func makeDisk(ctx context.Context, work string, log io.Writer) error {
	root, out := filepath.Join(work, "root"), filepath.Join(work, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	if err := command(ctx, log, "mmdebstrap", "--variant=minbase", "--essential-hook="+smallInitrd,
		"--include="+strings.Join(packages(), ","),
		`--aptopt=APT::Install-Recommends "false"`, suite, root); err != nil {
		return err
	}
	for name, text := range files() {
		if err := put(filepath.Join(root, name), text); err != nil {
			return err
		}
	}
	wants := filepath.Join(root, "etc/systemd/system/default.target.wants")
	if err := os.MkdirAll(wants, 0o755); err != nil {
		return err
	}
	if err := os.Symlink("../vm-checks.service", filepath.Join(wants, "vm-checks.service")); err != nil {
		return err
	}
	for _, name := range []string{"vmlinuz", "initrd.img"} {
		found, err := filepath.Glob(filepath.Join(root, "boot", name+"-*"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("the machine has %d files %s", len(found), name)
		}
		if err := command(ctx, log, "cp", found[0], filepath.Join(out, name)); err != nil {
			return err
		}
	}
	return makeImage(ctx, log, filepath.Join(out, "disk.img"), "root", root, 3<<30)
}

func put(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if text == "" {
		os.Remove(name) //nolint:errcheck // it need not be there
		return os.Symlink("/dev/null", name)
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

// makeImage makes a filesystem with what is in dir; it takes only the room that is used.
func makeImage(ctx context.Context, log io.Writer, image, label, dir string, size int64) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return err
	}
	return command(ctx, log, "mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", dir, image)
}

func command(ctx context.Context, log io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
