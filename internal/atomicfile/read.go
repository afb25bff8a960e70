package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Read returns the content of the regular file at path, at most limit bytes. It follows no symbolic link at the end of
// the path, waits for no writer of a pipe, and tells with [ErrNotRegular] and [ErrTooLarge] what it refused.
func Read(path string, limit int64) ([]byte, error) {
	fd, err := openat(path)
	if err != nil {
		// ELOOP: a symbolic link. ENXIO: a socket, or a device without a driver.
		if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
			return nil, fmt.Errorf("read %s: it %w", path, ErrNotRegular)
		}
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close() //nolint:errcheck // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it %w", path, ErrNotRegular)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes: it %w", path, info.Size(), ErrTooLarge)
	}
	// The file may grow meanwhile: the limit holds all the same. One byte more tells the end from the limit, and saves
	// ReadAll's last growth.
	data := make([]byte, 0, info.Size()+1)
	data, err = appendFrom(data, io.LimitReader(file, limit+1))
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: it %w", path, ErrTooLarge)
	}
	return data, nil
}

// openat opens path for Read; a signal that interrupts it is no error.
func openat(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// appendFrom reads r to its end into the free part of data, which grows if it must.
func appendFrom(data []byte, r io.Reader) ([]byte, error) {
	for {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}
