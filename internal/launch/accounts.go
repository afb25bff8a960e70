package launch

import (
	"bytes"
	"fmt"
	"strconv"

	"agentd/internal/plan"
)

// workName is what the session's user and group are called inside, whatever the host calls them.
const workName = "work"

// Passwd is the session's /etc/passwd: the image's own, less entries of the same uid or called work, with work first.
func Passwd(image []byte, u plan.User) []byte {
	mine := fmt.Sprintf("%s:x:%d:%d:%s:%s:/bin/sh\n", workName, u.UID, u.GID, workName, plan.HomeDir)
	return accounts(mine, image, u.UID)
}

// Group is the session's /etc/group, made the same way from its gid.
func Group(image []byte, u plan.User) []byte {
	return accounts(fmt.Sprintf("%s:x:%d:\n", workName, u.GID), image, u.GID)
}

// accounts puts mine before the lines of a file of the form name:password:id:…, and leaves out those that it stands for.
func accounts(mine string, file []byte, id uint32) []byte {
	out := []byte(mine)
	for line := range bytes.Lines(file) {
		line = bytes.TrimRight(line, "\n")
		fields := bytes.Split(line, []byte(":"))
		if len(fields) < 3 || string(fields[0]) == workName ||
			string(fields[2]) == strconv.FormatUint(uint64(id), 10) {
			continue
		}
		out = append(append(out, line...), '\n')
	}
	return out
}
