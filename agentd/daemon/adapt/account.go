package adapt

import (
	accounts "os/user"
	"strconv"

	"agentd/internal/plan"
)

// account is a user as the machine's user database has him now; one who is not there is in no group but his own number's.
func account(uid uint32) plan.User {
	u := plan.User{UID: uid, GID: uid}
	number := func(text string) (uint32, bool) {
		n, err := strconv.ParseUint(text, 10, 32)
		return uint32(n), err == nil
	}
	entry, err := accounts.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return u
	}
	if gid, ok := number(entry.Gid); ok {
		u.GID = gid
	}
	groups, err := entry.GroupIds()
	if err != nil {
		return u
	}
	for _, text := range groups {
		if gid, ok := number(text); ok {
			u.Groups = append(u.Groups, gid)
		}
	}
	return u
}
