package store

import (
	"regexp"

	"agentd/internal/layout"
)

// place is one revision of one template of one owner: where its files must be.
type place struct {
	state  layout.State
	owner  uint32
	id     string
	number int
}

func (p place) user() layout.User         { return p.state.User(p.owner) }
func (p place) template() layout.Template { return p.user().Template(p.id) }
func (p place) record() string            { return p.template().Record(p.number) }
func (p place) text() string              { return p.template().Text(p.number) }
func (p place) secretsDir() string        { return string(p.user().TemplateSecrets(p.id)) }
func (p place) secrets() string           { return p.user().TemplateSecrets(p.id).Record(p.number) }

// at is the same template at another revision.
func (p place) at(number int) place {
	p.number = number
	return p
}

// idShape is what an id may look like: it is the name of a directory.
var idShape = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
