package main

import "fmt"

// story is the main job, whole: the steps in their order.
func story(s *stage) []step {
	var all []step
	for _, act := range [][]step{s.opening(), s.templates(), s.interactive(), s.crash(), s.batch(), s.end()} {
		all = append(all, act...)
	}
	return all
}

func (s *stage) opening() []step {
	return []step{
		{
			why: fmt.Sprintf(`agentd turns session templates into running sessions. This is the whole of it,
with the real programs, as an ordinary user (uid %d), in a directory of its
own, %s.

For this there are a Docker Engine, a registry with an image
(%s), and a Git server that wants a login: agentd.yaml says that
https://git.example.org/ is %s/.`, s.uid, s.dir, s.props.registry.Host(), s.props.git.URL),
			command: "agentd --config agentd.yaml &",
			daemon:  s.startAgentd,
		},
	}
}

func (s *stage) templates() []step {
	return []step{
		{
			why:     "A template with every feature of the format.",
			command: "cat train.yaml", want: []string{"name: train", "agent_list: [demo-agent]"},
		},
		{command: "ctl sesstpl create -f train.yaml", want: []string{"created train ("}},
		{
			why:     "Its text is kept byte for byte, and every update makes a revision.",
			command: "sed 's/64m/96m/' train.yaml | ctl sesstpl update train", want: []string{"revision 2"},
		},
		{
			command: "ctl sesstpl diff train", exit: 1,
			want: []string{"-          mem: 64m", "+          mem: 96m"},
		},
		{command: "ctl sesstpl rollback train 1", want: []string{"rolled back train (", "revision 3"}},
		{
			command: "ctl sesstpl get train | cmp - train.yaml && echo the same", want: []string{"the same"},
		},
		{
			why:     "All that is wrong with a document is said at once, each with its place.",
			command: "sed -e 's/image:/imgae:/' -e 's/64m/lots/' train.yaml | ctl sesstpl validate",
			want:    []string{"imgae", "image", "lots"}, exit: 1,
		},
	}
}

func (s *stage) interactive() []step {
	return []step{
		{
			why:     "A vfolder outlives sessions: results go there.",
			command: "ctl vfolder create results", want: []string{"results"},
		},
		{
			why: "What exactly would happen, and where each value comes from.",
			command: `ctl session create-from-template train --dry-run | tr -s ' ' |
    grep -E '^(image|limits|env|checkout|steps)'`,
			want:  []string{"limits.mem 64m template", "env.GREETING hello template", "limits.pids 4096 "},
			check: func() error { return s.wantContainers(0) },
		},
		{
			why: `An interactive session. The password is a reference: the Git server's token is
in GIT_TOKEN here, and is in none of agentd's files.`,
			command: "ctl session create-from-template train --name first",
			want:    []string{"session first (", "is running"},
			check:   s.launched,
		},
		{command: "ctl session ls", want: []string{"first", "RUNNING", "interactive"}},
		{
			command: "ctl session info first",
			want:    []string{"RUNNING", s.props.commit, "cpu 0.5, mem 64m"},
		},
		{
			why:     "What bootstrap and startup said.",
			command: "ctl session logs first", settles: true,
			want: []string{"the repository has job.sh", fmt.Sprintf("hello from first, user %d", s.uid)},
		},
		{
			why:     "A command in the session, as the same user; its exit status comes through.",
			command: "ctl session exec first -- sh -c 'id -u; pwd; cat code/job.sh; exit 7'",
			want:    []string{fmt.Sprintf("%d\n/home/work\n", s.uid), "wc -l"}, exit: 7,
		},
		{
			why:     "The host's directory is there, read-only.",
			command: "ctl session exec first -- sh -c 'head -n 2 data/numbers; touch data/x'",
			want:    []string{"4\n8\n", "Read-only file system"}, exit: 1,
			check: func() error { return s.absent("data/x") },
		},
		{
			why:     "The result is in the vfolder, on this machine, and belongs to the user.",
			command: `cd "$(ctl vfolder path results)" && ls -n && cat first.txt`,
			want:    []string{fmt.Sprintf(" %d ", s.uid), "first.txt", "\n6\n"},
		},
	}
}

func (s *stage) crash() []step {
	return []step{
		{
			why:     "Sessions do not need agentd: it is killed without warning.",
			command: "kill -9 %1", daemon: s.agentd.Kill,
			check: s.goesOn,
		},
		{command: "ctl session ls", want: []string{"ctl: ", "hint: "}, exit: 7},
		{
			command: "agentd --config agentd.yaml &", daemon: s.startAgentd,
			check: s.goesOn,
		},
		{
			command: "ctl session exec first -- echo still here", want: []string{"still here"},
			check: s.goesOn,
		},
	}
}

func (s *stage) batch() []step {
	return []step{
		{
			why: `The same template as a batch job: bootstrap, startup, and the exit status is
the job's.`,
			command: "ctl session create-from-template train --type batch --name count --wait",
			want:    []string{"session count (", "has ended: success"},
		},
		{command: "ctl session logs count --step startup", want: []string{"hello from count"}},
		{command: `cat "$(ctl vfolder path results)/count.txt"`, want: []string{"6\n"}},
		{
			why:     "Another one, with overrides, that fails.",
			command: "ctl launch train --type batch -t fails -e GREETING=bye --wait \\\n    -c 'echo $GREETING; exit 3'",
			want:    []string{"has ended: exit 3"}, exit: 3,
		},
		{command: "ctl session logs fails", want: []string{"bye\n"}},
		{command: "ctl session status-history fails", want: []string{"PENDING", "RUNNING", "TERMINATED"}},
	}
}

func (s *stage) end() []step {
	return []step{
		{
			why:     "The end. Records and logs stay until they are removed; the results stay.",
			command: "ctl session terminate first", want: []string{"is TERMINATED: user"},
			check: s.notRunning,
		},
		{command: "ctl session ls --all", want: []string{"first", "count", "fails", "TERMINATED"}},
		{
			command: "ctl session rm first count fails",
			check:   func() error { return s.wantContainers(0) },
		},
		{command: `ls "$(ctl vfolder path results)"`, want: []string{"first.txt", "count.txt"}},
		{command: "ctl vfolder rm results --yes; ctl vfolder ls"},
		{command: "ctl sesstpl delete train", want: []string{"deleted train ("}},
		{command: "kill %1", daemon: s.agentd.Stop},
	}
}
