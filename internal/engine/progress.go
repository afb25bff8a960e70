package engine

import "github.com/docker/docker/pkg/jsonmessage"

// PullProgress is how far a pull is.
type PullProgress struct {
	// Layers are those known so far; LayersDone are those that are unpacked or were here already.
	Layers     int `json:"layers"`
	LayersDone int `json:"layers_done"`
	// Bytes of TotalBytes have come. The total grows while layers are begun.
	Bytes      int64 `json:"bytes"`
	TotalBytes int64 `json:"total_bytes"`
	// Status is the engine's latest word, such as Downloading.
	Status string `json:"status,omitempty"`
}

// phase orders what the engine says of a layer.
type phase int

const (
	phaseUnknown phase = iota
	phaseWaiting
	phaseDownloading
	phaseDownloaded
	phaseExtracting
	phaseDone
)

// phaseOf knows the engine's words; they are the same in every version since 1.8, and an unknown one is no progress.
func phaseOf(status string) phase {
	switch status {
	case "Pulling fs layer", "Waiting":
		return phaseWaiting
	case "Downloading":
		return phaseDownloading
	case "Verifying Checksum", "Download complete":
		return phaseDownloaded
	case "Extracting":
		return phaseExtracting
	case "Pull complete", "Already exists":
		return phaseDone
	}
	return phaseUnknown
}

// layerState is the furthest that a layer has been. A layer that is tried again begins at its beginning, and only counts
// as progress when it is further than before: else an engine that retries for ever would look busy.
type layerState struct {
	phase          phase
	current, total int64
}

type layerStates map[string]layerState

// note takes in a message and reports whether it is progress.
func (l layerStates) note(m jsonmessage.JSONMessage) bool {
	p := phaseOf(m.Status)
	if m.ID == "" || p == phaseUnknown {
		return false
	}
	was, known := l[m.ID]
	now := was
	now.phase = max(was.phase, p)
	if m.Progress != nil && p == phaseDownloading {
		now.current, now.total = max(was.current, m.Progress.Current), max(was.total, m.Progress.Total)
	}
	if p >= phaseDownloaded {
		now.current = now.total
	}
	l[m.ID] = now
	// Unpacking tells its own bytes; each of its messages is progress, it waits for nobody but this machine.
	return !known || now != was || (p == phaseExtracting && was.phase <= phaseExtracting)
}

// sum is the state of the whole.
func (l layerStates) sum(status string) PullProgress {
	s := PullProgress{Layers: len(l), Status: status}
	for _, layer := range l {
		if layer.phase == phaseDone {
			s.LayersDone++
		}
		s.Bytes += layer.current
		s.TotalBytes += layer.total
	}
	return s
}
