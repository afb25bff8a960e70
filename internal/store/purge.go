package store

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"agentd/internal/atomicfile"
	"agentd/internal/removetree"
)

// Purge removes a template for good, with all its revisions and secrets; one that is not there is no error. What
// makes it be is one rename: a crash after it is finished at the next start.
func (t *Templates) Purge(uid uint32, id string) error {
	o := t.owner(uid)
	o.changing.Lock()
	defer o.changing.Unlock()
	p := place{state: t.store.state, owner: uid, id: id}
	if !idShape.MatchString(id) {
		return nil
	}
	if _, ok := t.head(uid, id); !ok {
		return failure(t.finishPurge(p), "purge template %s", id)
	}
	// A directory of that name can only be left from an earlier life of the same id.
	if err := removetree.Remove(context.Background(), p.user().Purged(id)); err != nil {
		return failure(err, "purge template %s", id)
	}
	err := t.store.ballast.spend(func() error {
		return failure(os.Rename(string(p.template()), p.user().Purged(id)), "purge template %s", id)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// From here on it is gone for whoever asks, whatever comes.
	t.drop(uid, id)
	t.settle(id)
	if err := atomicfile.SyncDir(p.user().Templates()); err != nil {
		return failure(err, "purge template %s", id)
	}
	if err := t.finishPurge(p); err != nil {
		return failure(err, "purge template %s: it is gone, but files are left", id)
	}
	t.store.ballast.refill()
	return nil
}

// finishPurge removes what a purged template has left; the renamed directory goes last, since it says that there is
// something to finish.
func (t *Templates) finishPurge(p place) error {
	trash := p.user().Purged(p.id)
	if _, err := os.Lstat(trash); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ctx := context.Background()
	if err := removetree.Remove(ctx, p.secretsDir()); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(p.user().Secrets()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := removetree.Remove(ctx, trash); err != nil {
		return err
	}
	return atomicfile.SyncDir(p.user().Templates())
}

// Prune removes the oldest revisions so that keep are left. The newest one that has a text always stays: it is what a
// restore brings back.
func (t *Templates) Prune(uid uint32, id string, keep int) error {
	o := t.owner(uid)
	o.changing.Lock()
	defer o.changing.Unlock()
	h, ok := t.head(uid, id)
	if !ok {
		return nil
	}
	p := place{state: t.store.state, owner: uid, id: id}
	numbers, err := kept(p, h.rev.Number)
	if err != nil {
		return failure(err, "prune template %s", id)
	}
	keep = max(keep, 1)
	if h.rev.Deleted() {
		keep = max(keep, 2)
	}
	if len(numbers) <= keep {
		return nil
	}
	old := numbers[:len(numbers)-keep]
	dir := string(p.template())
	// The texts first: a record without its text is whole, a text without its record would look like damage. Secrets
	// without a record are swept at the next start.
	for _, step := range []func(place) string{place.text, place.record, place.secrets} {
		for _, n := range old {
			if err := os.Remove(step(p.at(n))); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return failure(err, "prune template %s: revision %d", id, n)
			}
		}
		if err := atomicfile.SyncDir(dir); err != nil {
			return failure(err, "prune template %s", id)
		}
	}
	return nil
}
