package layout

import (
	"path/filepath"
	"strconv"
)

// Runtime is the runtime directory: /run/agentd, or $XDG_RUNTIME_DIR/agentd for an ordinary user's agentd.
type Runtime string

// Socket is the API's Unix socket.
func (r Runtime) Socket() string { return filepath.Join(string(r), "agentd.sock") }

// Places are the defaults of where agentd keeps what, for one kind of user.
type Places struct {
	// Config is the file of the configuration.
	Config string
	// State and Runtime are the directories.
	State   State
	Runtime Runtime
}

// SystemPlaces are those of root's agentd.
func SystemPlaces() Places {
	return Places{Config: "/etc/agentd/agentd.yaml", State: "/var/lib/agentd", Runtime: "/run/agentd"}
}

// UserPlaces are those of an ordinary user's agentd, by the XDG base directory specification; getenv is os.Getenv.
// Without XDG_RUNTIME_DIR the runtime directory is /run/user/UID, as pam_systemd makes it.
func UserPlaces(uid int, getenv func(string) string) Places {
	home := getenv("HOME")
	or := func(name, fallback string) string {
		// The specification: a relative path in these variables is invalid and to be ignored.
		if v := getenv(name); filepath.IsAbs(v) {
			return v
		}
		return fallback
	}
	config := or("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	state := or("XDG_STATE_HOME", filepath.Join(home, ".local", "state"))
	runtime := or("XDG_RUNTIME_DIR", filepath.Join("/run/user", strconv.Itoa(uid)))
	return Places{
		Config:  filepath.Join(config, "agentd", "agentd.yaml"),
		State:   State(filepath.Join(state, "agentd")),
		Runtime: Runtime(filepath.Join(runtime, "agentd")),
	}
}

// DefaultPlaces are [SystemPlaces] for uid 0 and [UserPlaces] for anyone else.
func DefaultPlaces(uid int, getenv func(string) string) Places {
	if uid == 0 {
		return SystemPlaces()
	}
	return UserPlaces(uid, getenv)
}

// SSHPlaces are the files of a user's ctl for SSH.
type SSHPlaces struct {
	// Dir holds them; HostKey is what ctl proves itself with, KnownHosts what ssh compares it with.
	Dir, HostKey, KnownHosts string
}

// UserSSH are those below the user's own state directory, for root too.
func UserSSH(uid int, getenv func(string) string) SSHPlaces {
	dir := filepath.Join(string(UserPlaces(uid, getenv).State), "ssh")
	return SSHPlaces{
		Dir: dir, HostKey: filepath.Join(dir, "host_key"), KnownHosts: filepath.Join(dir, "known_hosts"),
	}
}

// SocketEnv is the environment variable that tells ctl where the socket is.
const SocketEnv = "AGENTD_SOCKET"

// FindSocket lists the sockets that ctl tries, in order, when it was given none by flag or [SocketEnv].
func FindSocket(uid int, getenv func(string) string) []string {
	user, system := UserPlaces(uid, getenv).Runtime.Socket(), SystemPlaces().Runtime.Socket()
	return []string{user, system}
}

// Programs that agentd starts or binds into containers.
const (
	InitProgram  = "agentd-init"
	ProbeProgram = "agentd-imageprobe"
	// HelperProgram does what needs a caller's rights; see package helper.
	HelperProgram = "agentd-helper"
)

// FindProgram lists where a program may lie, in order; executable is agentd's own path. They lie beside it in a build,
// and in PREFIX/lib/agentd where it is installed in PREFIX/bin.
func FindProgram(executable, name string) []string {
	dir := filepath.Dir(executable)
	return []string{filepath.Join(dir, name), filepath.Join(dir, "..", "lib", "agentd", name)}
}
