package adapt

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"agentd/internal/api"
	"agentd/internal/checkout"
	"agentd/internal/engine"
	"agentd/internal/resource"
)

// Doctor's bounds.
const (
	// leastFree is what the state directory needs for a clone and a few logs; below it launches begin to fail.
	leastFree = 256 * resource.MiB
	// littleFree is when to think of it.
	littleFree = 2 * resource.GiB
	// oldestEngine is the oldest major version of the engine that agentd is tested with.
	oldestEngine = 20
)

func ok(check, detail string, args ...any) api.Finding {
	return api.Finding{Check: check, Status: api.FindingOK, Detail: fmt.Sprintf(detail, args...)}
}

// engineVersion warns of an engine that nothing was tested with.
func engineVersion(info engine.Info) api.Finding {
	if info.Podman {
		return podman(info)
	}
	major := 0
	if _, err := fmt.Sscanf(info.ServerVersion, "%d.", &major); err == nil && major < oldestEngine {
		return api.Finding{
			Check: "engine-version", Status: api.FindingWarn,
			Detail: "Docker Engine " + info.ServerVersion + " is older than all that agentd is tested with",
			Fix:    fmt.Sprintf("install version %d or newer: apt-get install docker.io", oldestEngine),
		}
	}
	return ok("engine-version", "%s, with API %s", info.ServerVersion, info.APIVersion)
}

// podman says what to expect of it; all of it was seen, and docs/install.md has it in full.
func podman(info engine.Info) api.Finding {
	f := api.Finding{
		Check: "engine-version", Status: api.FindingWarn,
		Detail: "Podman " + info.ServerVersion + " answers, and agentd is made for the Docker Engine",
		Fix:    "docs/install.md says what works with Podman and what does not; or: apt-get install docker.io",
	}
	if info.Rootless {
		f.Status, f.Detail = api.FindingFail, "Podman "+info.ServerVersion+" without root: sessions do not run there"
		f.Fix = "give engine.host an engine that root runs: unix:///var/run/docker.sock"
	}
	return f
}

// socket looks at the door: who may knock is its mode and its group.
func (s *System) socket() api.Finding {
	info, err := os.Stat(s.Socket)
	if err != nil {
		return api.Finding{
			Check: "socket", Status: api.FindingFail, Detail: err.Error() + ": who connects now reaches nobody",
			Fix: "systemctl restart agentd, and find out who removes it",
		}
	}
	if info.Mode().Perm()&0o002 != 0 {
		return api.Finding{
			Check: "socket", Status: api.FindingWarn, Detail: s.Socket + " is open to every user of this machine",
			Fix: `set socket.mode to "0660", and put who may launch sessions into socket.group`,
		}
	}
	gid := -1
	if st, is := info.Sys().(*syscall.Stat_t); is {
		gid = int(st.Gid)
	}
	return ok("socket", "%s, %s, group %d", s.Socket, info.Mode().Perm(), gid)
}

// permissions looks at the directories whose names and contents must be nobody else's.
func (s *System) permissions() api.Finding {
	for _, dir := range []string{string(s.Host.State), string(s.Runtime)} {
		info, err := os.Stat(dir)
		if err != nil {
			return api.Finding{Check: "permissions", Status: api.FindingFail, Detail: err.Error(), Fix: "systemctl restart agentd"}
		}
		st, is := info.Sys().(*syscall.Stat_t)
		if info.Mode()&fs.ModeSticky == 0 && info.Mode().Perm()&0o022 != 0 || is && int(st.Uid) != os.Geteuid() {
			return api.Finding{
				Check: "permissions", Status: api.FindingFail,
				Detail: dir + " can be changed by others than agentd: " + info.Mode().String(),
				Fix:    fmt.Sprintf("chown %d %s && chmod go-w %s", os.Geteuid(), dir, dir),
			}
		}
	}
	return ok("permissions", "%s and %s are agentd's own", s.Host.State, s.Runtime)
}

// disk looks for room where the records and the sessions' files are, and where the engine has its images.
func (s *System) disk(info engine.Info) api.Finding {
	dirs := []string{string(s.Host.State)}
	if info.RootDir != "" {
		dirs = append(dirs, info.RootDir)
	}
	worst := ok("disk", "")
	var said []string
	for _, dir := range dirs {
		free, err := freeBytes(dir)
		if err != nil {
			// The engine's directory may be on another machine.
			continue
		}
		said = append(said, fmt.Sprintf("%.1f GiB free in %s", float64(free)/float64(resource.GiB), dir))
		switch {
		case free < int64(leastFree):
			worst.Status = api.FindingFail
		case free < int64(littleFree) && worst.Status == api.FindingOK:
			worst.Status = api.FindingWarn
		}
	}
	worst.Detail = strings.Join(said, ", ")
	if worst.Status != api.FindingOK {
		worst.Fix = "ctl system df shows what takes room; ctl session prune and docker image prune make some"
	}
	return worst
}

// git looks at what clones need: they are made by agentd itself, without a git of the machine's.
func (s *System) git() api.Finding {
	if s.CAFile != "" {
		if _, err := os.ReadFile(s.CAFile); err != nil {
			return api.Finding{
				Check: "git", Status: api.FindingFail, Detail: "git.ca_file: " + err.Error(),
				Fix: "put the certificates there, or take git.ca_file out of the configuration",
			}
		}
	}
	if slices.Contains(s.GitSchemes, "https") && s.CAFile == "" && !anyExists("/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem") {
		return api.Finding{
			Check: "git", Status: api.FindingWarn, Detail: "this machine trusts no certificate authority: no clone by https will do",
			Fix: "apt-get install ca-certificates",
		}
	}
	return ok("git", "clones by %s; no git is needed here or in images; %s", strings.Join(s.GitSchemes, ", "), s.gitCache())
}

// gitCache says what is kept of repositories, and what a clone of what is kept costs.
func (s *System) gitCache() string {
	if s.GitCacheMax <= 0 {
		return "nothing of what is fetched is kept (git.cache_max)"
	}
	text := fmt.Sprintf("up to %s of what is fetched is kept for each owner", resource.Bytes(s.GitCacheMax))
	if way, err := checkout.WayIn(string(s.Host.State)); err == nil {
		text += ", and gets into clones by " + way
	}
	return text
}

// gpu says what of the machine's GPUs sessions can have.
func gpu(info engine.Info, slots map[string]int64) api.Finding {
	cards, err := filepath.Glob("/dev/nvidia[0-9]*")
	switch {
	case err != nil || len(cards) == 0:
		return ok("gpu", "no NVIDIA device on this machine")
	case slots[resource.SlotCUDADevice] > 0:
		return ok("gpu", "%d for sessions, as cuda.device", slots[resource.SlotCUDADevice])
	case !slices.Contains(info.Runtimes, "nvidia"):
		return api.Finding{
			Check: "gpu", Status: api.FindingWarn,
			Detail: fmt.Sprintf("%d NVIDIA devices, and an engine that cannot give them to containers", len(cards)),
			Fix:    "install nvidia-container-toolkit, then: nvidia-ctk runtime configure && systemctl restart docker",
		}
	}
	return api.Finding{
		Check: "gpu", Status: api.FindingWarn,
		Detail: fmt.Sprintf("%d NVIDIA devices: this agent does not hand them out yet", len(cards)),
		Fix:    "templates must not ask for cuda.device on this agent",
	}
}

func anyExists(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	})
}
