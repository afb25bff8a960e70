package main

import (
	"runtime"
	"strings"
)

// job is what the repository holds: it counts the lines of its data into the results.
const job = `echo "$GREETING from $BACKENDAI_SESSION_NAME, user $(id -u)"
wc -l < data/numbers > results/$BACKENDAI_SESSION_NAME.txt
`

// template has every feature of the documented sample.
func (s *stage) template() string {
	architecture := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	return strings.NewReplacer(
		"@IMAGE@", s.props.image, "@ARCH@", architecture, "@COMMIT@", s.props.commit,
		"@HOME@", s.home(),
	).Replace(`session_templates:
  - template:
      api_version: v1
      kind: taskTemplate
      metadata:
        name: train
        tag: demo
      spec:
        type: interactive
        kernel:
          image: @IMAGE@
          architecture: @ARCH@
          environ:
            GREETING: hello
          run:
            bootstrap: echo "the repository has $(ls code)"
            startup: sh code/job.sh
          git:
            repository: https://git.example.org/job.git
            branch: release
            commit: @COMMIT@
            credential:
              username: me
              password: ${env:GIT_TOKEN}
            destination_dir: code
        scaling_group: demo
        mounts:
          results:
          @HOME@/data: data:ro
        resources:
          cpu: '0.5'
          mem: 64m
        agent_list: [demo-agent]
`)
}
