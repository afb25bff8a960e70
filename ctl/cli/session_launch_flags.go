package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/errs"
	"agentd/internal/plan"
	"agentd/internal/resource"
)

// launchFlags are the flags of create-from-template as they were typed.
type launchFlags struct {
	tag, startup, bootstrap, group, branch, commit, timeout string
	env, volumes, mounts, resources, params                 []string

	revision, maxWait          int
	noReuse, enqueue           bool
	wait, remove, dry          bool
	domain, project, clustered string

	overrides plan.Overrides
	queue     queueFlags
}

// add gives cmd all of them. The words are Backend.AI's.
func (l *launchFlags) add(cmd *cobra.Command) {
	o, f := &l.overrides, cmd.Flags()
	f.StringVarP(&o.Name, "name", "t", "", "`name` of the session; made from the template's by default")
	f.StringVar(&o.Type, "type", "", "`type` of the session: interactive or batch")
	f.StringVarP(&o.Image, "image", "i", "", "another `image`")
	f.StringVar(&o.Architecture, "architecture", "", "another `architecture`, such as aarch64")
	f.StringVarP(&l.startup, "startup-command", "c", "", "another startup `command`")
	f.StringVar(&l.bootstrap, "bootstrap-script", "", "`file` with another bootstrap script, or - for standard input")
	f.StringArrayVarP(&l.env, "env", "e", nil,
		"set `NAME=VALUE`, NAME to its value here, or NAME- to remove it; may come several times")
	f.StringArrayVarP(&l.volumes, "volume", "v", nil,
		"mount `KEY[:TARGET[:ro]]`: a vfolder, a named path or an absolute path of this machine; KEY- to leave one out; "+
			"may come several times")
	f.StringArrayVarP(&l.mounts, "mount", "m", nil, "the same as --volume, `KEY[:TARGET[:ro]]`")
	f.StringArrayVarP(&l.resources, "resources", "r", nil,
		"`SLOT=AMOUNT`, such as mem=4g, or SLOT- to remove it; may come several times")
	f.StringArrayVar(&l.params, "param", nil, "value of a parameter of the template, `NAME=VALUE`; may come several times")
	f.StringVar(&l.tag, "tag", "", "another `tag`")
	f.StringVar(&l.group, "scaling-group", "", "another scaling `group`")
	f.StringVar(&l.group, "sgroup", "", "the same as --scaling-group")
	f.StringVar(&l.branch, "git-branch", "", "another `branch` or tag of the repository")
	f.StringVar(&l.commit, "git-commit", "", "another `commit`")
	f.StringVar(&o.PullPolicy, "pull", "", "`when` to ask the registry: missing, always or never")
	f.StringVar(&l.timeout, "timeout", "", "end the session after this `time`, such as 2h; 0 for never")
	f.StringVar(&l.timeout, "batch-timeout", "", "the same as --timeout")
	f.BoolVar(&o.NoMounts, "no-mount", false, "without the template's mounts")
	f.BoolVar(&o.NoEnv, "no-env", false, "without the template's environment")
	f.BoolVar(&o.NoResources, "no-resource", false, "without the template's resources")
	f.IntVar(&l.revision, "revision", 0, "`number` of the template's revision; the newest by default")
	f.BoolVar(&l.noReuse, "no-reuse", false, "a conflict if the session lives already")
	f.BoolVar(&l.enqueue, "enqueue-only", false, "do not wait until it runs")
	f.IntVar(&l.maxWait, "max-wait", 0, "wait for at most that many `seconds` until it runs")
	f.BoolVar(&l.wait, "wait", false, "wait until it has ended, and end with the job's exit status")
	f.BoolVar(&l.remove, "rm", false, "remove it soon after its end, with its logs and files; with --wait at once")
	l.queue.add(cmd)
	f.BoolVar(&l.dry, "dry-run", false, "only show what would be done, and where each value comes from")
	f.StringVarP(&l.domain, "domain", "d", "default", "only default: this agent is one machine")
	f.StringVarP(&l.project, "group", "g", "default", "only default: this agent is one machine")
	f.StringVar(&l.clustered, "cluster-size", "1", "only 1: this agent is one machine")
	f.StringVar(&o.Name, "client-token", "", "the same as --name")
	hide(cmd, "client-token")
	hide(cmd, "sgroup", "batch-timeout", "domain", "group", "cluster-size")
	completeFlag(cmd, "type", []string{"interactive", "batch"})
	completeFlag(cmd, "pull", pullPolicies())
}

func pullPolicies() []string { return []string{"missing", "always", "never"} }

// request is what the flags ask for.
func (l *launchFlags) request(cmd *cobra.Command, a *app, template string) (api.LaunchRequest, error) {
	if err := l.check(cmd); err != nil {
		return api.LaunchRequest{}, err
	}
	o := &l.overrides
	for _, optional := range []struct {
		flags []string
		value *string
		to    **string
	}{
		{[]string{"tag"}, &l.tag, &o.Tag}, {[]string{"startup-command"}, &l.startup, &o.Startup},
		{[]string{"scaling-group", "sgroup"}, &l.group, &o.ScalingGroup},
		{[]string{"git-branch"}, &l.branch, &o.GitBranch}, {[]string{"git-commit"}, &l.commit, &o.GitCommit},
		{[]string{"timeout", "batch-timeout"}, &l.timeout, &o.Timeout},
	} {
		for _, flag := range optional.flags {
			if cmd.Flags().Changed(flag) {
				*optional.to = optional.value
			}
		}
	}
	if err := l.maps(cmd, a); err != nil {
		return api.LaunchRequest{}, err
	}
	if l.bootstrap != "" {
		doc, err := a.document(cmd, l.bootstrap)
		if err != nil {
			return api.LaunchRequest{}, err
		}
		text := string(doc.Text)
		o.Bootstrap = &text
	}
	req := api.LaunchRequest{
		Template: template, Revision: l.revision, Overrides: *o, NoReuse: l.noReuse, EnqueueOnly: l.enqueue,
		// Whoever waits for the end removes it when he has seen it.
		MaxWait: l.maxWait, Remove: l.remove && !l.wait,
	}
	err := l.queue.request(cmd, a.now(), &req)
	return req, err
}

// check refuses what needs no agentd to be refused.
func (l *launchFlags) check(cmd *cobra.Command) error {
	o := l.overrides
	for flag, value := range map[string]string{"domain": l.domain, "group": l.project} {
		if value != "default" {
			return usage(cmd, "--%s %q: this agent is one machine and knows only default", flag, value)
		}
	}
	switch {
	case l.clustered != "1":
		return usage(cmd, "--cluster-size %s: a session of this agent is one container", l.clustered)
	case o.Type != "" && o.Type != "interactive" && o.Type != "batch":
		return usage(cmd, "--type %q: want interactive or batch", o.Type)
	case o.PullPolicy != "" && o.PullPolicy != "missing" && o.PullPolicy != "always" && o.PullPolicy != "never":
		return usage(cmd, "--pull %q: want %s", o.PullPolicy, strings.Join(pullPolicies(), ", "))
	case l.maxWait < 0:
		return usage(cmd, "--max-wait %d is not a number of seconds", l.maxWait)
	}
	if _, err := resource.ParseDuration(l.timeout); err != nil && l.timeout != "" {
		return usage(cmd, "--timeout: %s", err.Error())
	}
	for _, other := range []string{"enqueue-only", "max-wait", "dry-run"} {
		if err := apart(cmd, "wait", other); err != nil {
			return err
		}
	}
	if l.bootstrap == stdinName && terminal(cmd.InOrStdin()) != nil {
		return errs.New(errs.Usage, "--bootstrap-script -: standard input is a terminal").WithHint("name a file")
	}
	return positive(cmd, "revision", l.revision)
}

// maps reads the flags that come several times.
func (l *launchFlags) maps(cmd *cobra.Command, a *app) (err error) {
	o := &l.overrides
	if o.Env, err = a.environment(cmd, l.env); err != nil {
		return err
	}
	if o.Mounts, err = mountSpecs(cmd, append(slices.Clone(l.volumes), l.mounts...)); err != nil {
		return err
	}
	if o.Resources, err = amounts(cmd, l.resources); err != nil {
		return err
	}
	o.Params, err = params(cmd, l.params)
	return err
}
