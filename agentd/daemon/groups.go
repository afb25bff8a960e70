package daemon

import (
	"errors"
	"os/user"
	"strconv"

	"agentd/internal/errs"
	"agentd/internal/identity"
)

// groupID is the gid of a group, which is a number or a name.
func groupID(group string) (uint32, error) {
	if n, err := strconv.ParseUint(group, 10, 32); err == nil {
		return uint32(n), nil
	}
	g, err := user.LookupGroup(group)
	if unknownGroup(err) {
		return 0, errs.New(errs.Invalid, "the configured group %q: %w", group, err).
			WithHint("groupadd --system %s, or configure another one", group)
	}
	if err != nil {
		return 0, errs.New(errs.Unavailable, "look up the group %q: %w", group, err)
	}
	n, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return 0, errs.New(errs.Internal, "the gid of the group %q: %w", group, err)
	}
	return uint32(n), nil
}

func unknownGroup(err error) bool {
	_, unknown := errors.AsType[user.UnknownGroupError](err)
	return unknown
}

// administrators tells who may see and change everybody's: root, the user that agentd runs as, and a group if one is
// configured.
func administrators(group string, own int) (func(identity.Caller) bool, error) {
	self := func(c identity.Caller) bool { return c.UID == 0 || int(c.UID) == own }
	if group == "" {
		return self, nil
	}
	gid, err := groupID(group)
	if err != nil {
		return nil, err
	}
	return func(c identity.Caller) bool { return self(c) || c.In(gid) }, nil
}
