package main

// step is one command of the story.
type step struct {
	// why is told before it.
	why string
	// command is what a user would type into a shell.
	command string
	// want are texts that the output must have; none means that any will do.
	want []string
	// exit is the exit status that the command must have.
	exit int
	// do is instead of running the command, for starting and ending agentd.
	do func(*stage) error
}

// story is the life of a template.
func story() []step { return append(revisions(), secretsAndCrashes()...) }

func revisions() []step {
	return []step{
		{
			why: "agentd needs neither root nor a configuration; here it gets one, so that all\n" +
				"it keeps is in this directory.",
			command: "agentd --config agentd.yaml &",
			do:      (*stage).startAgentd,
		},
		{
			why:     "This is the sample of the format's documentation, unchanged.",
			command: "cat session-template.yaml",
			want:    []string{"name: template1234", "destinationDir: /home/work/bai"},
		},
		{command: "ctl sesstpl create -f session-template.yaml", want: []string{"created template1234 ("}},
		{command: "ctl sesstpl list", want: []string{"NAME", "template1234", "interactive", "cr.backend.ai/"}},
		{
			why:     "The text is kept byte for byte, comments and all.",
			command: "ctl sesstpl get template1234 | cmp - session-template.yaml && echo the same",
			want:    []string{"the same"},
		},
		{
			why:     "Every update makes a revision.",
			command: "sed 's/4g/8g/' session-template.yaml | ctl sesstpl update template1234",
			want:    []string{"updated template1234 (", "revision 2"},
		},
		{
			command: "ctl sesstpl diff template1234",
			want:    []string{"-          mem: 4g", "+          mem: 8g"}, exit: 1,
		},
		{command: "ctl sesstpl history template1234", want: []string{"REVISION", "create", "update"}},
		{
			why:     "An update that was made from an old revision does not overwrite a newer one.",
			command: "ctl sesstpl update template1234 --revision 1 -f session-template.yaml",
			want:    []string{"ctl: ", "revision"}, exit: 4,
		},
		{
			command: "ctl sesstpl rollback template1234 1",
			want:    []string{"rolled back template1234 (", "revision 3"},
		},
		{
			command: "ctl sesstpl get template1234 | cmp - session-template.yaml && echo the same",
			want:    []string{"the same"},
		},
		{
			why: "All that is wrong with a document is said at once, each with its place.",
			command: `sed -e 's/image:/imgae:/' -e "s/'2'/two/" session-template.yaml > typo.yaml
  ctl sesstpl validate -f typo.yaml`,
			want: []string{"typo.yaml:17:", "spec.kernel", "imgae", "image", "typo.yaml:19:", "cpu"}, exit: 1,
		},
	}
}

func secretsAndCrashes() []step {
	return []step{
		{
			why: "A literal password is kept apart from the text, and only its owner sees it.",
			command: `sed -e 's/template1234/private/' \
    -e '/branch:/i\            credential: {username: me, password: hunter2}' \
    session-template.yaml | ctl sesstpl create`,
			want: []string{"created private ("},
		},
		{
			command: "ctl sesstpl get private | grep credential",
			want:    []string{"${agentd:kept}"},
		},
		{
			command: "ctl sesstpl get private --show-secrets | grep credential",
			want:    []string{"hunter2"},
		},
		{
			why:     "Deleted is not gone.",
			command: "ctl sesstpl delete private",
			want:    []string{"deleted private ("},
		},
		{command: "ctl sesstpl get private", want: []string{"ctl: ", "private"}, exit: 3},
		{command: "ctl sesstpl restore private", want: []string{"restored private ("}},
		{
			why:     "What was acknowledged is on disk: agentd is killed without warning, and\nstarted again.",
			command: "kill -9 %1",
			do:      (*stage).killAgentd,
		},
		{command: "ctl sesstpl list", want: []string{"ctl: ", "hint: "}, exit: 7},
		{command: "agentd --config agentd.yaml &", do: (*stage).startAgentd},
		{command: "ctl sesstpl list -o name", want: []string{"private\ntemplate1234\n"}},
		{
			why:     "Templates are plain files, which you can read, back up and grep.",
			command: "cd state/users/*/templates && ls * && grep -l hunter2 -r . || echo no password",
			want:    []string{"000001.yaml", "000003.yaml", "no password"},
		},
		{command: "kill %1", do: (*stage).stopAgentd},
	}
}
