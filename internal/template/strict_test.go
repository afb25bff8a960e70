package template

import (
	"fmt"
	"strings"
	"testing"
)

// values are what people, and those who wish us ill, write into fields.
func values() []string {
	all := []string{
		"", " ", "\t", "\n", "\u00a0", "\u2028", "\v", "a", "A", "é", "😀", "-", "-a", "a-", ".", "..", "...", "/", "//", "a/b", "/a", "a/", "~",
		"~/a", "a b", " a", "a ", "a\nb", "a\tb", "a:b", "a:ro", "a:rw", ":ro", ":rw", "a:rox", "a:", "../a", "a/..", "a/../b", "/a/../b",
		"a/./b", "/proc/../a", "/proc/a", "/procs", "/etc", "/etc/", "//etc", "/etc/x", "/etc/passwd", "/etc/passwd/x", "/etc/passwdx",
		"/usr", "/usr/a", "/usr/a/b", "/usr/a/", "/lib64", "/lib64/a", "/library", "/home/work", "/home/work/", "/home/work/a", "/home/x",
		"/usr/../a", "/a/../usr", "/.agentd", "/.agentds", "0", "00", "1", "01", "7", "255", "256", "1000000", "1000001", "-1", "+1", "1.5",
		"0.5", "0.01", "0.001", "0.0", ".5", "5.", "1e3", "1_0", "0_1", "0x10", "0o17", "010", ".inf", ".nan", "true", "True", "TRUE", "false",
		"yes", "on", "null", "Null", "2001-01-01", "12:30", "4g", "4G", "4 g", "4gb", "4GiB", "4 gibytes", "0.5g", "16m", "1_000k", "64 MiB",
		"100b", "100 bytes", "1byte", "4x", "4gg", "320", "8e", "1000000e", "500m", "30s", "1h30m", "30m1h", "1h 30m", "0s", "1.5h", "2w", "1d",
		"0.0s", "00s", "0h1m", "interactive", "batch", "isolated", "none", "image", "oom", "x86_64", "X86_64", "linux/arm64", "Linux/amd64",
		"386", "arm", "python", "python:3.12", "Python", "a.b/c:d", "A.b/c:d", "localhost:5000/a", "[::1]:5000/a", "a@sha256:" + strings.Repeat("a", 64),
		"a:b@sha256:" + strings.Repeat("0", 64), "a@md5:" + strings.Repeat("A", 32), "a__b", "a..b", "a.b", "a_b", "a--b", "a//b", strings.Repeat("a", 128),
		strings.Repeat("é", 128), strings.Repeat("a", 129), "v1", "taskTemplate", "https://h/a", "https://h/a?b", "HTTPS://h/a", "http://h/a",
		"http://h:80//a", "git://h/a", "ssh://g@h/a", "ssh://g@h:22/a", "SSH://h/a", "ftp://h/a", "file:///a", "file://localhost/a",
		"FILE:///a", "file:/a", "g@h:a", "h:a", "h:/a", "h:a:b", "g@h:a@b", "h:a/b#c", "h:22/a", "/a/b", "/a:b@c", "/a@b", "https://h/a@b",
		"https://h/a:b@c", "https://h/?a@b", "https://h/a#b", "https://h/a#", "https://h/a/", "https://h//", "https://h/.git",
		"https://[::1]/a", "https://h:/a", "${param:P}", "${param:Q}", "a${param:P}b", "https://${param:P}/a", "${param:P}:a",
		"${env:A}", "${file:/a}", "${file:~/a}", "${file:a}", "${a", "${}", Marker, "a${env:A}", "${env:A}\n", "main", "a@b", "@", "@{a",
		"a.lock", "a.lock/b", "a.locks", "#a", "a#b", "abc", "abcd", "ABCDEF", "cpu", "mem", "cuda.device", "nvidia.com/gpu", "a.b/c.d", "HOME",
		"A_1", "1A", "%41", "'", `"`, `\`, "<<", "*a", "&a", "!a", "|", ">", "[a]", "{a: b}", "#", "a: b", "- a", "? a", "%a", "`a", "@a",
	}
	return all
}

// TestSchema_IsNeverStricter writes every value into every field and key, quoted and bare: what Parse accepts, the schema
// accepts.
func TestSchema_IsNeverStricter(t *testing.T) {
	const head = "api_version: v1\nkind: taskTemplate\nmetadata: {name: n}\n"
	kernel := func(field string) string { return head + "spec:\n  kernel:\n    image: i\n" + field }
	git := func(field string) string {
		return kernel("    git:\n"+field) + "x-agentd: {params: {P: , Q: q}}\n"
	}
	spec := func(field string) string { return kernel("") + field }
	ext := func(field string) string { return kernel("") + "x-agentd:\n" + field }
	places := map[string]string{
		"api_version": "api_version: %s\nkind: taskTemplate\nmetadata: {name: n}\nspec: {kernel: {image: i}}\n",
		"kind":        "api_version: v1\nkind: %s\nmetadata: {name: n}\nspec: {kernel: {image: i}}\n",
		"name":        "api_version: v1\nkind: taskTemplate\nmetadata:\n  name: %s\nspec: {kernel: {image: i}}\n",
		"tag":         "api_version: v1\nkind: taskTemplate\nmetadata:\n  name: n\n  tag: %s\nspec: {kernel: {image: i}}\n",
		"image":       head + "spec:\n  kernel:\n    image: %s\n", "type": spec("  type: %s\n"), "scaling_group": spec("  scaling_group: %s\n"),
		"architecture": kernel("    architecture: %s\n"), "environ": kernel("    environ:\n      A: %s\n"),
		"environ key": kernel("    environ:\n      %s: a\n"), "bootstrap": kernel("    run:\n      bootstrap: %s\n"),
		"startup": kernel("    run:\n      startup: %s\n"), "batch": kernel("    run:\n      startup: %s\n") + "  type: batch\n",
		"repository": git("      repository: %s\n"), "branch": git("      repository: h:a\n      branch: %s\n"),
		"commit": git("      repository: h:a\n      commit: %s\n"), "destination": git("      repository: h:a\n      dest_dir: %s\n"),
		"username": git("      repository: h:a\n      credential:\n        password: p\n        username: %s\n"),
		"password": git("      repository: h:a\n      credential:\n        username: u\n        password: %s\n"),
		"mount":    spec("  mounts:\n    m: %s\n"), "mount key": spec("  mounts:\n    %s: t\n"),
		"target": spec("  mounts:\n    m:\n      target: %s\n"), "subpath": spec("  mounts:\n    m:\n      subpath: %s\n"),
		"readonly": spec("  mounts:\n    m:\n      readonly: %s\n"), "create": spec("  mounts:\n    m:\n      create: %s\n"),
		"cpu": spec("  resources:\n    cpu: %s\n"), "mem": spec("  resources:\n    mem: %s\n"), "shmem": spec("  resources:\n    shmem: %s\n"),
		"cuda.device": spec("  resources:\n    cuda.device: %s\n"), "slot": spec("  resources:\n    other: %s\n"),
		"slot key": spec("  resources:\n    %s: 1\n"), "agent": spec("  agent_list:\n  - %s\n"),
		"description": ext("  description: %s\n"), "label": ext("  labels:\n    a: %s\n"), "label key": ext("  labels:\n    %s: a\n"),
		"param": ext("  params:\n    a: %s\n"), "param key": ext("  params:\n    %s: a\n"),
		"param default":     ext("  params:\n    a:\n      default: %s\n      description: d\n"),
		"param description": ext("  params:\n    a:\n      description: %s\n"), "submodules": ext("  git:\n    submodules: %s\n"),
		"depth": ext("  git:\n    depth: %s\n"), "network": ext("  network: %s\n"), "tty": ext("  tty: %s\n"), "retry": ext("  retry: %s\n"),
		"retry.max": ext("  retry:\n    max: %s\n"), "retry.on": ext("  retry:\n    max: 1\n    on:\n    - %s\n"), "timeout": ext("  timeout: %s\n"),
		"startup_from": ext("  startup_from: %s\n"), "keep": ext("  scratch:\n    keep: %s\n"), "x-key": head + "spec: {kernel: {image: i}}\n%s: a\n",
	}
	if underRace {
		t.Skip("thousands of documents, one after another: nothing for the race detector")
	}
	edited := map[string]bool{"name": true, "password": true, "environ": true, "x-key": true}
	s := compiledSchema(t)
	for name, place := range places {
		accepted := 0
		for _, value := range values() {
			for _, piece := range []string{value, doubleQuoted(value)} {
				text := []byte(fmt.Sprintf(place, piece))
				docs, err := Parse("", text)
				if err != nil {
					continue
				}
				accepted++
				parsed, _ := asJSON(t, text)
				for _, v := range parsed {
					if err := s.Validate(v); err != nil {
						t.Errorf("%s: the schema refuses %q: %v", name, piece, err)
					}
				}
				if edited[name] {
					checkDocument(t, docs[0])
				}
			}
		}
		if accepted == 0 {
			t.Errorf("%s: no value is accepted: the text around it is wrong", name)
		}
	}
}
