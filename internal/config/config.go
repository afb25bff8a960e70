// Package config is agentd's configuration file: its keys, their defaults, and a strict reader.
package config

import (
	"io/fs"
	"time"

	"agentd/internal/resource"
)

// Config is all that can be configured; configs/agentd.yaml says what each key means, and is kept complete by a test.
//
// Tags: yaml is the key; enum, min, max and match (a regular expression, which want puts in words) bound the value, in
// a list or map each element; abs asks for an absolute path; needed for any; reload marks what takes effect on SIGHUP
// without a restart.
type Config struct {
	Agent      Agent     `yaml:"agent"`
	Socket     Socket    `yaml:"socket"`
	StateDir   string    `yaml:"state_dir" abs:"yes"`
	RuntimeDir string    `yaml:"runtime_dir" abs:"yes"`
	Engine     Engine    `yaml:"engine"`
	Sessions   Sessions  `yaml:"sessions"`
	Templates  Templates `yaml:"templates"`
	Resources  Resources `yaml:"resources"`
	Quotas     Quotas    `yaml:"quotas"`
	HostPaths  HostPaths `yaml:"host_paths"`
	Git        Git       `yaml:"git"`
	Audit      Audit     `yaml:"audit"`
	Log        Log       `yaml:"log"`
}

// Agent is who this agent is, for templates that ask for one.
type Agent struct {
	ID           string `yaml:"id" match:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" want:"a name"`
	ScalingGroup string `yaml:"scaling_group" match:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" want:"a name"`
}

// Socket is the API's Unix socket.
type Socket struct {
	Path string `yaml:"path" abs:"yes"`
	// Group is a name or a gid; empty means agentd's own.
	Group string      `yaml:"group"`
	Mode  fs.FileMode `yaml:"mode" min:"0600" max:"0777"`
	// AdminGroup is a name or a gid; empty means that only root and agentd's own user are administrators.
	AdminGroup string `yaml:"admin_group"`
}

// Engine is the Docker Engine and the images.
type Engine struct {
	// Host is a URL; empty means DOCKER_HOST, and else the engine's usual socket.
	Host         string        `yaml:"host" match:"^(unix:///.+|tcp://.+)$" want:"unix:///PATH or tcp://HOST:PORT"`
	PullPolicy   string        `yaml:"pull_policy" enum:"missing,always,never"`
	PullTimeout  time.Duration `yaml:"pull_timeout" min:"1s" max:"52w"`
	StallTimeout time.Duration `yaml:"stall_timeout" min:"1s" max:"52w"`
	LocalImages  string        `yaml:"local_images" enum:"all,guarded,own"`
}

// Sessions are the rules for all sessions.
type Sessions struct {
	// User may be UID:GID too.
	User             string        `yaml:"user" match:"^(caller|[0-9]+(:[0-9]+)?)$" want:"caller or UID"`
	Network          string        `yaml:"network" enum:"isolated,none"`
	BootstrapTimeout time.Duration `yaml:"bootstrap_timeout" min:"1s" max:"52w"`
	StopGrace        time.Duration `yaml:"stop_grace" min:"0s" max:"1h"`
	KeepRecords      time.Duration `yaml:"keep_records" min:"0s" max:"520w"`
	KeepFiles        time.Duration `yaml:"keep_files" min:"0s" max:"520w"`
	// LeftoverGrace is how long what belongs to no session is left alone.
	LeftoverGrace time.Duration   `yaml:"leftover_grace" min:"1s" max:"1w"`
	LogMax        resource.Bytes  `yaml:"log_max" min:"64k"`
	PIDs          int             `yaml:"pids" min:"16" max:"4194304"`
	Defaults      SessionDefaults `yaml:"defaults"`
}

// SessionDefaults are the amounts for a template that names none.
type SessionDefaults struct {
	CPU resource.NanoCPU `yaml:"cpu" min:"0.01"`
	Mem resource.Bytes   `yaml:"mem" min:"16m"`
}

// Templates says how long what is no longer current is kept.
type Templates struct {
	KeepDeleted   time.Duration `yaml:"keep_deleted" min:"0s" max:"520w" reload:"yes"`
	KeepRevisions int           `yaml:"keep_revisions" min:"2" max:"100000" reload:"yes"`
}

// Resources are what sessions may use of this machine.
type Resources struct {
	Reserve Reserve `yaml:"reserve"`
	GPUs    string  `yaml:"gpus" enum:"auto,none"`
	// Group is the control group above all sessions. No dash: to systemd it is a level.
	Group string `yaml:"group" match:"^[a-z][a-z0-9_]{0,31}$" want:"a name of small letters, digits and _"`
}

// Reserve is what no session gets.
type Reserve struct {
	CPU resource.NanoCPU `yaml:"cpu"`
	Mem resource.Bytes   `yaml:"mem"`
}

// Quotas bound what one user has; 0 means no bound.
type Quotas struct {
	// Sessions, CPU, Mem and Slots bound what his sessions hold at a time: beyond them they wait.
	Sessions int              `yaml:"sessions" min:"0" max:"1000000" reload:"yes"`
	CPU      resource.NanoCPU `yaml:"cpu" reload:"yes"`
	Mem      resource.Bytes   `yaml:"mem" reload:"yes"`
	Slots    map[string]int   `yaml:"slots" min:"0" max:"1000000" reload:"yes"`
	// Pending bounds how many wait, Templates and VFolderBytes what he keeps: beyond them requests are refused.
	Pending      int            `yaml:"pending" min:"0" max:"1000000" reload:"yes"`
	Templates    int            `yaml:"templates" min:"0" max:"1000000" reload:"yes"`
	VFolderBytes resource.Bytes `yaml:"vfolder_bytes" reload:"yes"`
}

// HostPaths are the host's files and directories that sessions may mount.
type HostPaths struct {
	Named map[string]HostPath `yaml:"named" match:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" want:"a name"`
	// Allow lists prefixes; "~" is the caller's home.
	Allow []string `yaml:"allow" match:"^(~|~/.+|/.*)$" want:"~ or an absolute path"`
}

// HostPath is one of them, under a name.
type HostPath struct {
	Path     string `yaml:"path" abs:"yes" needed:"yes"`
	ReadOnly bool   `yaml:"readonly"`
}

// Git bounds the clones.
type Git struct {
	Timeout  time.Duration  `yaml:"timeout" min:"1s" max:"52w"`
	Memory   resource.Bytes `yaml:"memory" min:"64m"`
	CacheMax resource.Bytes `yaml:"cache_max"`
	Schemes  []string       `yaml:"schemes" enum:"https,ssh,http,git,file"`
	// InsteadOf replaces the beginning of a URL, as git's url.X.insteadOf; the longest one that fits wins.
	InsteadOf map[string]string `yaml:"instead_of" match:"^[a-z]+://[^@]+$" want:"a URL without a user"`
	// CAFile holds certificates, in PEM, of authorities to trust beside the system's, as git's http.sslCAInfo.
	CAFile string `yaml:"ca_file" abs:"yes"`
}

// Log is agentd's own log, on standard error.
type Log struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error" reload:"yes"`
	Format string `yaml:"format" enum:"auto,text,json,journal"`
}

// Audit is the record of who did what.
type Audit struct {
	// Max bounds what one user's entries take.
	Max resource.Bytes `yaml:"max" min:"64k"`
}
