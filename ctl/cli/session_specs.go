package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// environment reads the values of -e: NAME=VALUE, NAME for the value that it has here, NAME- to remove it.
func (a *app) environment(cmd *cobra.Command, specs []string) (map[string]*string, error) {
	set := map[string]*string{}
	for _, spec := range specs {
		name, value, given := strings.Cut(spec, "=")
		bare, remove := strings.CutSuffix(name, "-")
		switch {
		case name == "" || remove && bare == "":
			return nil, usage(cmd, "--env %q has no name", spec)
		case given:
			set[name] = &value
		case remove:
			set[bare] = nil
		default:
			if value = a.Getenv(name); value == "" {
				return nil, usage(cmd, "--env %s: there is no such variable here: write %s=VALUE", name, name)
			}
			set[name] = &value
		}
	}
	return set, nil
}

// amounts reads the values of -r: SLOT=AMOUNT, or SLOT- to remove it.
func amounts(cmd *cobra.Command, specs []string) (map[string]*string, error) {
	set := map[string]*string{}
	for _, spec := range specs {
		slot, amount, given := strings.Cut(spec, "=")
		bare, remove := strings.CutSuffix(slot, "-")
		switch {
		case given && slot != "" && amount != "":
			set[slot] = &amount
		case !given && remove && bare != "":
			set[bare] = nil
		default:
			return nil, usage(cmd, "--resources %q: want SLOT=AMOUNT, such as mem=4g, or SLOT- to remove it", spec)
		}
	}
	return set, nil
}

// params reads the values of --param: NAME=VALUE.
func params(cmd *cobra.Command, specs []string) (map[string]string, error) {
	set := map[string]string{}
	for _, spec := range specs {
		name, value, given := strings.Cut(spec, "=")
		if !given || name == "" {
			return nil, usage(cmd, "--param %q: want NAME=VALUE", spec)
		}
		set[name] = value
	}
	return set, nil
}

// mountSpecs reads the values of -v: what is mounted, and where as TARGET or TARGET:ro; nil removes a mount.
//
//	KEY                                          at its default place
//	KEY:TARGET[:ro]   KEY=TARGET[:ro]   KEY:ro
//	KEY-
//	type=bind,source=KEY,target=TARGET,perm=ro
func mountSpecs(cmd *cobra.Command, specs []string) (map[string]*string, error) {
	set := map[string]*string{}
	for _, spec := range specs {
		key, value, err := mountSpec(cmd, spec)
		if err != nil {
			return nil, err
		}
		if _, twice := set[key]; twice {
			return nil, usage(cmd, "--volume %s: %s comes twice", spec, key)
		}
		set[key] = value
	}
	return set, nil
}

func mountSpec(cmd *cobra.Command, spec string) (key string, value *string, err error) {
	if strings.HasPrefix(spec, "type=") || strings.HasPrefix(spec, "source=") || strings.HasPrefix(spec, "src=") {
		return longMount(cmd, spec)
	}
	cut := strings.IndexAny(spec, ":=")
	if cut < 0 {
		if bare, remove := strings.CutSuffix(spec, "-"); remove && bare != "" {
			return bare, nil, nil
		}
		cut = len(spec)
	}
	key, target := spec[:cut], strings.TrimLeft(spec[cut:min(cut+1, len(spec))], ":=")+spec[min(cut+1, len(spec)):]
	switch target {
	case "ro", "rw":
		// At the default place.
		target = ":" + target
	}
	if key == "" {
		return "", nil, usage(cmd, "--volume %q: nothing is named", spec)
	}
	return key, &target, nil
}

// longMount reads the form that docker's --mount and Backend.AI have.
func longMount(cmd *cobra.Command, spec string) (key string, value *string, err error) {
	target, mode := "", ""
	for part := range strings.SplitSeq(spec, ",") {
		name, text, given := strings.Cut(part, "=")
		switch {
		case (name == "readonly" || name == "ro") && (!given || text == "true"):
			mode = ":ro"
		case name == "type" && (text == "bind" || text == "vfolder"):
		case name == "source" || name == "src":
			key = text
		case name == "target" || name == "dst" || name == "destination":
			target = text
		case name == "perm" && (text == "ro" || text == "rw" || text == "wd"):
			if text == "ro" {
				mode = ":ro"
			}
		default:
			return "", nil, usage(cmd, "--volume %s: %q is none of type=bind, source=, target=, perm=ro|rw", spec, part)
		}
	}
	if key == "" {
		return "", nil, usage(cmd, "--volume %s: source= is missing", spec)
	}
	target += mode
	return key, &target, nil
}
