package template

import "slices"

// key is one field of a map: its name, and the other spellings that Backend.AI accepts or prints.
type key []string

// Paths of the maps of a template whose keys are fixed; the values of spec.mounts and of x-agentd.params have such keys too.
const (
	atRoot       = ""
	atMetadata   = "metadata"
	atSpec       = "spec"
	atKernel     = "spec.kernel"
	atRun        = "spec.kernel.run"
	atGit        = "spec.kernel.git"
	atCredential = "spec.kernel.git.credential"
	atMount      = "spec.mounts.*"
	atExtension  = "x-agentd"
	atParam      = "x-agentd.params.*"
	atClone      = "x-agentd.git"
	atRetry      = "x-agentd.retry"
	atScratch    = "x-agentd.scratch"
)

// places lists them, in the order of the documentation.
func places() []string {
	return []string{
		atRoot, atMetadata, atSpec, atKernel, atRun, atGit, atCredential, atMount,
		atExtension, atParam, atClone, atRetry, atScratch,
	}
}

// keysAt are the keys of the map at a place; the JSON Schema has the same ones, which a test compares.
func keysAt(place string) []key {
	switch place {
	case atRoot:
		return []key{{"api_version", "apiVersion"}, {"kind"}, {"metadata"}, {"spec"}, {"x-agentd"}}
	case atMetadata:
		return []key{{"name"}, {"tag"}}
	case atSpec:
		return []key{
			{"type", "session_type", "sessionType"}, {"kernel"}, {"scaling_group", "scalingGroup"}, {"mounts"},
			{"resources"}, {"agent_list", "agentList"},
		}
	case atKernel:
		return []key{{"image"}, {"architecture"}, {"environ"}, {"run"}, {"git"}}
	case atRun:
		return []key{{"bootstrap"}, {"startup", "startup_command", "startupCommand"}}
	case atGit:
		return []key{
			{"repository"}, {"branch"}, {"commit"}, {"credential"}, {"destination_dir", "destinationDir", "dest_dir"},
		}
	case atCredential:
		return []key{{"username"}, {"password"}}
	case atMount:
		return []key{{"target"}, {"readonly"}, {"subpath"}, {"create"}}
	case atExtension:
		return []key{
			{"description"}, {"labels"}, {"params"}, {"git"}, {"network"}, {"tty"}, {"retry"}, {"timeout"},
			{"startup_from"}, {"scratch"},
		}
	case atParam:
		return []key{{"description"}, {"default"}}
	case atClone:
		return []key{{"submodules"}, {"depth"}}
	case atRetry:
		return []key{{"max"}, {"on"}}
	case atScratch:
		return []key{{"keep"}}
	default:
		return nil
	}
}

// spellings are all words that are valid as a key of the map at a place.
func spellings(place string) []string { return slices.Concat(asStrings(keysAt(place))...) }

func asStrings(keys []key) [][]string {
	all := make([][]string, len(keys))
	for i, k := range keys {
		all[i] = k
	}
	return all
}

// home returns the place of a fixed key that stands where it does not belong, false if there is none or several.
func home(word string) (string, bool) {
	var found []string
	for _, place := range places() {
		if slices.Contains(spellings(place), word) {
			found = append(found, place)
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}
