package sessionlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"agentd/internal/errs"
)

// start enters the part to begin with, at the right place, going from the newest part back. What it holds open cannot be
// mistaken when parts are renamed meanwhile.
func (r *reader) start(ctx context.Context) error {
	lines, left := r.o.Tail, r.o.MaxBytes
	for i := range Parts {
		f, id, size, err := r.open(i)
		if absent(err) {
			continue
		}
		if err != nil {
			return errs.New(errs.Damaged, "log: %w", err)
		}
		if id == r.id { // renamed since the last turn
			f.Close() //nolint:errcheck // only read
			continue
		}
		r.enter(f, id)
		var offset int64
		offset, lines, err = tailOffset(ctx, f, size, max(0, size-left), lines)
		if err != nil {
			return err
		}
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return errs.New(errs.Damaged, "log: %w", err)
		}
		left -= size - offset
		if lines == 0 || left <= 0 {
			break
		}
	}
	return nil
}

// absent holds for the errors of a name that is no part: none there, or something that is no regular file.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, unix.ELOOP)
}

// tailOffset goes back in f from its end over lines lines, but not before lowest, and returns where it came to and how
// many lines are still wanted. Negative lines means all.
func tailOffset(ctx context.Context, f *os.File, size, lowest int64, lines int) (int64, int, error) {
	if lines < 0 {
		return lowest, lines, nil
	}
	if lines == 0 {
		return size, 0, nil
	}
	block := make([]byte, 64<<10)
	for end := size; end > lowest; {
		if err := ctx.Err(); err != nil {
			return 0, 0, errs.New(errs.Canceled, "log: %w", err)
		}
		begin := max(lowest, end-int64(len(block)))
		n, err := f.ReadAt(block[:end-begin], begin)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, errs.New(errs.Unavailable, "log: %w", err)
		}
		for chunk := block[:n]; ; lines-- {
			i := bytes.LastIndexByte(chunk, '\n')
			if i < 0 {
				break
			}
			at := begin + int64(i) + 1
			chunk = chunk[:i]
			if at == size { // the line feed of the last line begins no line
				lines++
				continue
			}
			if lines == 1 {
				return at, 0, nil
			}
		}
		end = begin
	}
	if lowest == 0 && size > 0 {
		lines-- // the first line has no line feed before it
	}
	return lowest, lines, nil
}
