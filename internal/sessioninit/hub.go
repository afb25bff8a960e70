package sessioninit

import (
	"bytes"
	"sync"

	"agentd/internal/errs"
	"agentd/internal/frame"
)

// watcherQueue is how many chunks of output a watcher may be behind before it is left behind: the step waits for nobody.
const watcherQueue = 32

// hub gives a step's output to everybody who is attached.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	// writer is the one watcher whose input goes to the step.
	writer *watcher
	exit   *frame.Exit
}

// chunk is output of one stream.
type chunk struct {
	kind frame.Type
	data []byte
}

// watcher is one who is attached. Its queue is closed when the step has ended, or when it was too slow.
type watcher struct{ queue chan chunk }

func newHub() *hub { return &hub{watchers: map[*watcher]struct{}{}} }

// watch adds a watcher.
func (h *hub) watch(writer bool) (*watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.exit != nil {
		return nil, errs.New(errs.Conflict, "the step has ended")
	}
	if writer && h.writer != nil {
		return nil, errs.New(errs.Conflict, "somebody else has the step's input").WithHint("attach without input")
	}
	w := &watcher{queue: make(chan chunk, watcherQueue)}
	h.watchers[w] = struct{}{}
	if writer {
		h.writer = w
	}
	return w, nil
}

// unwatch removes one.
func (h *hub) unwatch(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeLocked(w)
	if h.writer == w {
		h.writer = nil
	}
}

func (h *hub) removeLocked(w *watcher) {
	if _, there := h.watchers[w]; there {
		delete(h.watchers, w)
		close(w.queue)
	}
}

// send gives data to all.
func (h *hub) send(t frame.Type, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) == 0 {
		return
	}
	c := chunk{t, bytes.Clone(data)}
	for w := range h.watchers {
		select {
		case w.queue <- c:
		default:
			h.removeLocked(w)
		}
	}
}

// close says that the step has ended.
func (h *hub) close(e frame.Exit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.exit = &e
	for w := range h.watchers {
		h.removeLocked(w)
	}
}

// ended returns how the step ended, nil if it has not.
func (h *hub) ended() *frame.Exit {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exit
}
