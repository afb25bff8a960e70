package plan

import (
	"cmp"
	"slices"

	"agentd/internal/errs"
)

// Source says where a value of the plan came from.
type Source string

// The sources.
const (
	FromImage    Source = "image"
	FromAgent    Source = "agent"
	FromTemplate Source = "template"
	FromFlag     Source = "flag"
	FromDefault  Source = "default"
	FromPolicy   Source = "policy"
)

// Provenance tells the source of one value, by its path in the plan.
type Provenance struct {
	Path   string `json:"path"`
	Source Source `json:"source"`
}

// Resolved is a plan and the source of each of its values, sorted by path.
type Resolved struct {
	Plan       Plan         `json:"plan"`
	Provenance []Provenance `json:"provenance"`
	// OwnerName and Home are the caller's, for the session's record.
	OwnerName string `json:"-"`
	Home      string `json:"-"`
}

// resolver carries the input of one Resolve and collects what all its parts find.
type resolver struct {
	in       Input
	plan     Plan
	sources  map[string]Source
	problems []errs.Problem
	// refused is the first thing that is not wrong but not allowed or not possible here; it wins over problems.
	refused error
}

func (r *resolver) from(path string, s Source) { r.sources[path] = s }

// wrong notes that a value cannot be used; all such are told at once.
func (r *resolver) wrong(path, rule, message string) {
	r.problems = append(r.problems, errs.Problem{Path: path, Rule: rule, Message: message})
}

// wrongErr is wrong with the words of err.
func (r *resolver) wrongErr(path, rule string, err error) {
	if err != nil {
		r.wrong(path, rule, err.Error())
	}
}

// refuse notes that this agent will not or cannot do it; the first one is told.
func (r *resolver) refuse(err error) {
	if r.refused == nil {
		r.refused = err
	}
}

func (r *resolver) provenance() []Provenance {
	list := make([]Provenance, 0, len(r.sources))
	for path, s := range r.sources {
		list = append(list, Provenance{Path: path, Source: s})
	}
	slices.SortFunc(list, func(a, b Provenance) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// pick returns the flag's value if it is set, and the template's otherwise, and notes which.
func pick[T any](r *resolver, path string, flag *T, template T) T {
	if flag != nil {
		r.from(path, FromFlag)
		return *flag
	}
	r.from(path, FromTemplate)
	return template
}

// set is a pointer to s, or nil if s is empty: for flags that cannot be empty.
func set(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
