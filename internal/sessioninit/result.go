package sessioninit

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"agentd/internal/beneath"
	"agentd/internal/job"
)

// resultRetry is the time between two tries to write a result that the disk had no room for.
const resultRetry = time.Second

// began writes that a step has begun, and takes the room for its end: a session that fills its disk shall not hide how
// it ended.
func (in *initd) began(r job.Result) (reserved *os.File) {
	in.mu.Lock()
	in.results = append(in.results, r)
	in.mu.Unlock()
	// Not durable: a crash of the machine ends the step as well, and the step need not wait for the disk.
	if err := writeResult(in.dir, job.BeginName(r.Step), r, nil, false); err != nil {
		in.say("result: begin of " + r.Step + ": " + cause(err))
	}
	f, err := create(in.dir, tempName(job.EndName(r.Step)))
	if err != nil {
		return nil
	}
	if _, err := f.Write(bytes.Repeat([]byte{' '}, job.MaxResultBytes)); err != nil {
		f.Close() //nolint:errcheck // not used
		return nil
	}
	return f
}

// ended writes how a step has ended, for good: it tries again until there is room.
func (in *initd) ended(r job.Result, reserved *os.File) {
	in.mu.Lock()
	in.results[len(in.results)-1] = r
	in.mu.Unlock()
	err := writeResult(in.dir, job.EndName(r.Step), r, reserved, true)
	if err == nil {
		return
	}
	in.say("result: end of " + r.Step + ": " + cause(err))
	go func() {
		t := time.NewTicker(resultRetry)
		defer t.Stop()
		for writeResult(in.dir, job.EndName(r.Step), r, nil, true) != nil {
			select {
			case <-t.C:
			case <-in.over:
				return
			}
		}
	}()
}

// writeResult writes r whole, or not at all. With reserved, that file becomes it if it can. If it is to be durable, r is on
// the disk when this returns.
func writeResult(dir *os.File, name string, r job.Result, reserved *os.File, durable bool) error {
	data, err := r.Marshal()
	if err != nil {
		return err
	}
	if reserved != nil {
		defer reserved.Close() //nolint:errcheck // synced before
		if fill(reserved, data, durable) == nil && rename(dir, tempName(name), name) == nil {
			return syncDir(dir)
		}
	}
	f, err := create(dir, tempName(name))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // synced before
	if err := fill(f, data, durable); err != nil {
		return err
	}
	if err := rename(dir, tempName(name), name); err != nil || !durable {
		return err
	}
	return syncDir(dir)
}

// fill makes data the whole content of f.
func fill(f *os.File, data []byte, durable bool) error {
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(data))); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	return f.Sync()
}

func tempName(name string) string { return job.TempName(name) }

// create makes a new file, in the place of whatever has that name.
func create(dir *os.File, name string) (*os.File, error) {
	if err := unlink(dir, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return beneath.Regular(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
}

func unlink(dir *os.File, name string) error {
	return control(dir, func(at int) error { return unix.Unlinkat(at, name, 0) })
}

func rename(dir *os.File, from, to string) error {
	return control(dir, func(at int) error { return unix.Renameat(at, from, at, to) })
}

func syncDir(dir *os.File) error { return dir.Sync() }
