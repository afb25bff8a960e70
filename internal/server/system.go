package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"agentd/internal/api"
	"agentd/internal/identity"
)

// system tells about this agent and its machine.
type system interface {
	Info(ctx context.Context, caller identity.Caller) (api.SystemInfo, error)
	// Doctor looks at what sessions need and says for each finding what to do about it.
	Doctor(ctx context.Context, caller identity.Caller) (api.Doctor, error)
	// Disk says what of the caller's takes room.
	Disk(ctx context.Context, caller identity.Caller) (api.DiskUse, error)
}

type systemInfoOut struct{ Body api.SystemInfo }

type doctorOut struct{ Body api.Doctor }

type diskOut struct{ Body api.DiskUse }

func (s *Server) registerSystem(a huma.API) {
	s.registerAudit(a)
	if s.opt.System == nil {
		return
	}
	handle(a, route{method: http.MethodGet, path: api.PathSystemInfo, name: "get-system-info",
		summary: "What this agent is and has to give", tag: "system"},
		func(ctx context.Context, caller identity.Caller, _ *struct{}) (*systemInfoOut, error) {
			info, err := s.opt.System.Info(ctx, caller)
			return &systemInfoOut{info}, err
		})
	handle(a, route{method: http.MethodGet, path: api.PathSystemDoctor, name: "get-system-doctor",
		summary: "What is wrong with this agent's surroundings, and what to do about it", tag: "system"},
		func(ctx context.Context, caller identity.Caller, _ *struct{}) (*doctorOut, error) {
			found, err := s.opt.System.Doctor(ctx, caller)
			return &doctorOut{found}, err
		})
	handle(a, route{method: http.MethodGet, path: api.PathSystemDisk, name: "get-system-disk",
		summary: "What of the caller's sessions, vfolders and images takes room on the disk", tag: "system"},
		func(ctx context.Context, caller identity.Caller, _ *struct{}) (*diskOut, error) {
			use, err := s.opt.System.Disk(ctx, caller)
			return &diskOut{use}, err
		})
}
