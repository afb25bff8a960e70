package sessioninit

import (
	"errors"
	"os"
	"strconv"
	"strings"
)

// oomAdd is added to oom_score_adj, whose range ends at oomMax.
const oomAdd, oomMax = 500, 1000

// oomScore is our own oom_score_adj, which our children inherit. The kernel shall pick them, and not us, when memory runs
// out, and a child that had to raise its own could have had children by then: so we are as low as they for the moment of
// the fork. Nobody can pick us then who would not rather pick them: they are as low, and larger.
type oomScore struct {
	// file was opened before we became undumpable, from when on /proc/self is root's. It is nil where there is none.
	file       *os.File
	own, child []byte
}

// openOOMScore is nil without an error where the kernel has no such thing, or does not let us write it: that is no reason
// not to run.
func openOOMScore() *oomScore {
	f, err := os.OpenFile("/proc/self/oom_score_adj", os.O_RDWR, 0)
	if err != nil {
		return &oomScore{}
	}
	text := make([]byte, 16)
	n, err := f.Read(text)
	own, convErr := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if errors.Join(err, convErr) != nil {
		f.Close() //nolint:errcheck // only read
		return &oomScore{}
	}
	return &oomScore{
		file: f, own: []byte(strconv.Itoa(own)), child: []byte(strconv.Itoa(min(own+oomAdd, oomMax))),
	}
}

// lowered runs f, which forks, while our score is that of children.
func (o *oomScore) lowered(f func()) {
	if o.file == nil {
		f()
		return
	}
	o.file.WriteAt(o.child, 0)     //nolint:errcheck // no reason not to run
	defer o.file.WriteAt(o.own, 0) //nolint:errcheck // no lower than the least that was ever set, which is allowed
	f()
}
