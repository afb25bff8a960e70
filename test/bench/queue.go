package main

import (
	"os/exec"
	"strconv"
)

// jobs is how many are run by the queue, and lanes how many of them at a time.
const (
	jobs  = 100
	lanes = 4
)

// jobPairs is how often: one run is a hundred of each.
const jobPairs = 3

// modest is the size of one job: as many as lanes fit a machine of two cores.
func modest() size { return size{"0.4", "32m"} }

// queued compares an array of jobs with a loop of the shell that keeps as many containers going.
func (l *launches) queued() error {
	s := modest()
	count, wide := strconv.Itoa(jobs), strconv.Itoa(lanes)
	ours := timed(l.ctl(l.socket, "launch", templateName, "--type", "batch", "-c", "true", "--name", "queued",
		"-r", "cpu="+s.cpus, "-r", "mem="+s.memory, "--array", "1-"+count+"%"+wide, "--wait", "--rm", "--quiet"))
	run := append([]string{
		"-c", `n=$1; shift; seq ` + count + ` | xargs -P "$n" -I{} "$@"`, "loop", wide,
		l.docker, "run", "--rm", "--cpus", s.cpus, "--memory", s.memory,
	}, l.like.flags()...)
	theirs := timed(func() error {
		return quiet(exec.CommandContext(l.ctx, "/bin/sh", append(run, imageRef, "/bin/sh", "-c", "true")...))
	})
	return l.compare(count+" jobs of true, "+wide+" at a time, until all have ended",
		"a loop of docker run --rm", jobPairs, ours, theirs, 1)
}
