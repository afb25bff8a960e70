package plan

// Overrides are what a launch changes of its template. A nil pointer or an absent key means unset; a pointer to "" is
// empty; a null in a map removes the template's key.
type Overrides struct {
	Name         string  `json:"name,omitempty" doc:"name of the session; made from the template's if absent"`
	Tag          *string `json:"tag,omitempty"`
	Type         string  `json:"type,omitempty" enum:"interactive,batch"`
	Image        string  `json:"image,omitempty"`
	Architecture string  `json:"architecture,omitempty"`
	Startup      *string `json:"startup_command,omitempty"`
	Bootstrap    *string `json:"bootstrap_script,omitempty" doc:"text of the script"`
	ScalingGroup *string `json:"scaling_group,omitempty"`
	GitBranch    *string `json:"git_branch,omitempty"`
	GitCommit    *string `json:"git_commit,omitempty"`
	PullPolicy   string  `json:"pull_policy,omitempty" enum:"missing,always,never"`
	// Timeout is a duration as the template writes it; "0" means none.
	Timeout *string `json:"timeout,omitempty"`

	// Retry replaces the template's; a Max of 0 means never.
	Retry *Retry `json:"retry,omitempty"`

	Env       map[string]*string `json:"environ,omitempty" doc:"null removes a variable of the template"`
	Mounts    map[string]*string `json:"mounts,omitempty" doc:"key to TARGET or TARGET:ro; null removes a mount"`
	Resources map[string]*string `json:"resources,omitempty" doc:"null removes a slot of the template"`
	// Params are the values of x-agentd.params.
	Params map[string]string `json:"params,omitempty"`

	NoEnv       bool `json:"no_env,omitempty" doc:"drop the template's whole map first"`
	NoMounts    bool `json:"no_mount,omitempty" doc:"drop the template's whole map first"`
	NoResources bool `json:"no_resource,omitempty" doc:"drop the template's whole map first"`
}
