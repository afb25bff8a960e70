package server_test

import (
	"context"
	"time"

	"agentd/internal/api"
	"agentd/internal/identity"
	"agentd/internal/session"
)

func (f *fakeSessions) Rename(c identity.Caller, ref, name string) (session.Record, error) {
	f.note(c, nil, "rename %q to %q", ref, name)
	return f.record(), f.err
}

func (f *fakeSessions) Restart(c identity.Caller, ref string) (session.Record, error) {
	f.note(c, nil, "restart %q", ref)
	return f.record(), f.err
}

func (f fakeSystem) Disk(_ context.Context, c identity.Caller) (api.DiskUse, error) {
	f.note(c, nil, "disk")
	return api.DiskUse{}, f.err
}

func (f *fakeSessions) SaveTemplate(
	_ context.Context, c identity.Caller, ref string, req api.SaveTemplateRequest,
) (api.SavedTemplate, error) {
	f.note(c, nil, "save %q as %q", ref, req.Name)
	return api.SavedTemplate{}, f.err
}

func (f *fakeSessions) Usage(rec session.Record) (api.SessionStats, error) {
	return api.SessionStats{ID: rec.ID, Name: rec.Plan.Name, CPU: 1500 * time.Millisecond, MemoryBytes: 4096}, f.err
}

func (f fakeVFolders) RenameVFolder(_ context.Context, c identity.Caller, name, to string) (api.VFolder, error) {
	f.note(c, nil, "rename vfolder %q to %q", name, to)
	return aVFolder(), f.err
}
