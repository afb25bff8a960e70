package engine

import (
	"encoding/json"

	"github.com/moby/profiles/seccomp"

	"agentd/internal/errs"
)

// seccompProfile is upstream's newest default profile, for an engine whose own is years old: Debian 12's lets a program
// open an AF_ALG socket (CVE-2026-31431), this one lists the allowed families.
func seccompProfile() (string, error) {
	text, err := json.Marshal(seccomp.DefaultProfile())
	if err != nil {
		return "", errs.New(errs.Internal, "encode the seccomp profile: %w", err)
	}
	return string(text), nil
}
