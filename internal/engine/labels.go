package engine

import "agentd/internal/layout"

// Labels of what we make. An image's labels become its containers' labels, so that a hostile image can carry these: only
// name, labels and nonce together prove a container to be ours ([Labels.Prove]).
const (
	labelInstance = "io.agentd.instance"
	labelSession  = "io.agentd.session"
	labelNonce    = "io.agentd.nonce"
	labelOwner    = "io.agentd.owner"
)

// Labels say whose a container, volume or network is. Empty ones are not set.
type Labels struct {
	// Instance is the id of the agentd that made it.
	Instance string
	// Session is the id of the session that it belongs to.
	Session string
	// Nonce is random and stands in the session's record: nobody else can know it beforehand.
	Nonce string
	// Owner is the owner's uid, for the eyes of a person.
	Owner string
}

// Prove reports whether the container named name, with the labels got, was made for this session by this agentd.
func (l Labels) Prove(name string, got Labels) bool {
	return l.Nonce != "" && name == layout.ContainerName(l.Session) &&
		got.Instance == l.Instance && got.Session == l.Session && got.Nonce == l.Nonce
}

// labelMap is how the engine keeps them. An empty label is set too: it hides one of the image's.
func (l Labels) labelMap() map[string]string {
	return map[string]string{
		labelInstance: l.Instance, labelSession: l.Session, labelNonce: l.Nonce, labelOwner: l.Owner,
	}
}

func labelsOf(m map[string]string) Labels {
	return Labels{
		Instance: m[labelInstance], Session: m[labelSession], Nonce: m[labelNonce], Owner: m[labelOwner],
	}
}
