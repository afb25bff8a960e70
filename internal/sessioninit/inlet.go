package sessioninit

import (
	"os"
	"sync"
	"time"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// inlet brings stdin frames into a process that may read slowly or never, and gives credit for what it has taken.
type inlet struct {
	file   *os.File
	credit func(n int)
	// end is what the end of the input does: it closes a pipe, it types ctrl-D at a terminal.
	end func()

	mu   sync.Mutex
	more sync.Cond
	// held is what the process has not taken yet, at most frame.StdinWindow bytes with what is being written.
	held    []byte
	writing int
	eof     bool
	stopped bool
}

func newInlet(file *os.File, credit func(int), end func()) *inlet {
	q := &inlet{file: file, credit: credit, end: end}
	q.more.L = &q.mu
	if file != nil {
		file.SetWriteDeadline(time.Time{}) //nolint:errcheck // the one before may have set it; a closed file says so later
	}
	return q
}

// put takes the bytes of a frame. More than the window is a fault of the sender.
func (q *inlet) put(data []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.held)+q.writing+len(data) > frame.StdinWindow || q.eof {
		return errs.New(errs.Invalid, "stdin: more than the window allows, or after its end")
	}
	q.held = append(q.held, data...)
	q.more.Signal()
	return nil
}

// finish says that no more comes.
func (q *inlet) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.eof = true
	q.more.Signal()
}

// stop ends run, even in the middle of a write.
func (q *inlet) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.more.Signal()
	if q.file != nil {
		q.file.SetWriteDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed file needs none
	}
}

// run writes until the end. A process that has closed its input loses the rest, as with a pipe; its sender still gets
// credit, for he shall come to his end too.
func (q *inlet) run() {
	lost := q.file == nil
	for {
		data, eof := q.take()
		if data == nil {
			if eof {
				q.end()
			}
			return
		}
		if !lost {
			_, err := q.file.Write(data)
			lost = err != nil
		}
		q.mu.Lock()
		q.writing = 0
		q.mu.Unlock()
		q.credit(len(data))
	}
}

// take waits for bytes; nil means that there will be none.
func (q *inlet) take() (data []byte, eof bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.held) == 0 && !q.eof && !q.stopped {
		q.more.Wait()
	}
	if q.stopped || len(q.held) == 0 {
		return nil, !q.stopped
	}
	// In parts, so that credit comes back while a slow process reads.
	n := min(len(q.held), readBuffer)
	data = append([]byte(nil), q.held[:n]...)
	q.held = q.held[:copy(q.held, q.held[n:])]
	q.writing = n
	return data, false
}
