package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// debianVersion is the version as Debian sorts it: a release is its number, what comes after it is later, and what comes
// before the first one is earlier than all.
func debianVersion(stamp string, date time.Time) (string, error) {
	stamp, dirty := strings.CutSuffix(stamp, "-dirty")
	released := regexp.MustCompile(`^v?([0-9][0-9A-Za-z.]*)(-(rc|beta|alpha)[0-9.]*)?(-([0-9]+)-(g[0-9a-f]+))?$`)
	version := ""
	switch m := released.FindStringSubmatch(stamp); {
	case m != nil && strings.Contains(m[1], "."):
		version = m[1]
		if m[2] != "" {
			version += "~" + m[2][1:]
		}
		if m[4] != "" {
			version += "+" + m[5] + "." + m[6]
		}
	case regexp.MustCompile(`^[0-9a-z]+$`).MatchString(stamp):
		version = "0~" + date.UTC().Format("20060102.150405") + "." + stamp
	default:
		return "", fmt.Errorf("%q is no version: want v1.2.3, or what git describe makes of it", stamp)
	}
	if dirty {
		version += "+dirty"
	}
	return version, nil
}

// sourceDate is SOURCE_DATE_EPOCH, or that of the last commit, or now for a tree without git.
func sourceDate() time.Time {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		if out, err := exec.Command("git", "log", "-1", "--format=%ct").Output(); err == nil {
			text = strings.TrimSpace(string(out))
		}
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0).UTC()
	}
	return time.Now().UTC()
}
