package adapt

import (
	"context"
	"time"

	"agentd/internal/errs"
	"agentd/internal/resource"
	"agentd/internal/vfolder"
)

// countLimit bounds the walk through one user's vfolders: what is not counted by then is let pass.
const countLimit = 5 * time.Second

// withinQuota counts what a user's vfolders under the state directory hold, if that is bounded, and refuses more.
func withinQuota(ctx context.Context, folders *vfolder.Folders, owner uint32, most func() int64) error {
	bound := int64(0)
	if most != nil {
		bound = most()
	}
	if bound == 0 {
		return nil
	}
	list, err := folders.List(owner)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	var total int64
	for _, f := range list {
		if f.External {
			continue
		}
		n, err := bytesBelow(ctx, f.Path)
		if err != nil && ctx.Err() == nil {
			return err
		}
		total += n
	}
	if total <= bound {
		return nil
	}
	return errs.New(errs.NoSpace, "the vfolders of this user hold %s; the quota is %s", resource.Bytes(total),
		resource.Bytes(bound)).WithHint("ctl system df shows which; ctl vfolder rm NAME removes one")
}
