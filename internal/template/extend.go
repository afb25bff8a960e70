package template

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"agentd/internal/resource"
)

// Bounds of [Extension].
const (
	maxDescription = 4096
	maxLabels      = 64
	maxLabelName   = 63
	maxLabelValue  = 256
	maxCloneDepth  = 1_000_000
	// MaxRetries bounds [Retry].
	MaxRetries = 100
)

func (o *object) extension() Extension {
	o = o.under("x-agentd", atExtension)
	if o == nil {
		return Extension{}
	}
	x := Extension{Description: o.description(), Labels: o.labels(), Params: o.readParams(), TTY: o.boolean("tty")}
	o.params = make(map[string]Param, len(x.Params))
	for _, p := range x.Params {
		o.params[p.Name] = p
	}
	clone := o.under("git", atClone)
	if clone != nil {
		x.Git.Submodules = clone.boolean("submodules")
		x.Git.Depth = clone.whole("depth", 1, maxCloneDepth)
	}
	x.Network = o.word("network", NetworkIsolated, NetworkNone)
	x.StartupFrom = o.word("startup_from", StartupFromImage)
	x.Timeout = o.duration("timeout")
	if scratch := o.under("scratch", atScratch); scratch != nil {
		x.Scratch.Keep = scratch.duration("keep")
	}
	x.Retry = o.retry()
	return x
}

func (o *object) description() string {
	m, text := o.scalar("description")
	if n := utf8.RuneCountInString(text); n > maxDescription {
		o.problem(m.value.off, m.path, "too-long", "has %d characters; at most %d are possible", n, maxDescription)
	}
	return text
}

func (o *object) labels() map[string]string {
	var all map[string]string
	o.entries("labels", func(path string, f field) {
		value, ok := o.text(path, f, `write "" for an empty label`)
		if !isLabel(f.key) {
			o.problem(f.off, path, "label-name",
				"%s is not the name of a label: wants up to %d letters, digits and inside '.', '_', '-', '/'",
				short(f.key), maxLabelName)
		}
		if n := utf8.RuneCountInString(value); n > maxLabelValue {
			o.problem(f.value.off, path, "too-long", "has %d characters; at most %d are possible", n, maxLabelValue)
		} else if ok {
			o.refuse(f.value.off, path, "control-character", checkPrintable(value))
		}
		if all == nil {
			all = map[string]string{}
		}
		all[f.key] = value
	})
	if m, _ := o.get("labels"); len(all) > maxLabels {
		o.problem(m.off, m.path, "too-long", "has %d labels; at most %d are possible", len(all), maxLabels)
	}
	return all
}

func isLabel(s string) bool {
	alnum := func(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }
	for _, c := range []byte(s) {
		if !alnum(c) && strings.IndexByte("._-/", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxLabelName && alnum(s[0]) && alnum(s[len(s)-1])
}

// word reads one of a few words; "" if the field is absent.
func (o *object) word(name string, words ...string) string {
	m, text := o.scalar(name)
	if text != "" && !slices.Contains(words, text) {
		o.problem(m.value.off, m.path, "word", "wants %s, not %s", strings.Join(words, " or "), short(text))
	}
	return text
}

// duration reads a time span; 0 if the field is absent.
func (o *object) duration(name string) time.Duration {
	m, text := o.scalar(name)
	if text == "" {
		return 0
	}
	d, err := resource.ParseDuration(text)
	if err == nil && d == 0 {
		err = invalid("%s is no time at all: leave it out", short(text))
	}
	o.refuse(m.value.off, m.path, "duration", err)
	return d
}

// retry reads a number, or {max, on}.
func (o *object) retry() *Retry {
	m, ok := o.get("retry")
	switch {
	case !ok:
		return nil
	case m.value.kind == scalar:
		return &Retry{Max: o.whole("retry", 1, MaxRetries)}
	}
	in := o.object(m.value, m.path, atRetry, m.off)
	if in == nil {
		return &Retry{}
	}
	in.required("max", "how often a failed session is tried again")
	x := &Retry{On: in.words("on")}
	x.Max = in.whole("max", 1, MaxRetries)
	on, _ := in.get("on")
	for i, cause := range x.On {
		if !IsCause(cause) {
			o.problem(on.value.items[i].off, index(on.path, i), "retry-cause",
				"wants oom, lost, timeout, failure, or an exit code from 1 to 255, not %s", short(cause))
		}
	}
	return x
}

// IsCause reports whether s is a cause of [Retry].
func IsCause(s string) bool {
	if slices.Contains([]string{"oom", "lost", "timeout", "failure"}, s) {
		return true
	}
	n, err := resource.ParseCount(s)
	return err == nil && n >= 1 && n <= 255 && s[0] != '0' && len(s) <= 3 && !strings.ContainsAny(s, "._ ")
}
