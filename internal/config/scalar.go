package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"agentd/internal/resource"
)

// scalar reads a node into a leaf, and holds it against the bounds of its tag.
func (d *decoder) scalar(p place, v reflect.Value, tag reflect.StructTag) {
	if p.node.Kind != yaml.ScalarNode {
		d.report(p, "type", "must be a single value, not %s", kindOf(p.node))
		return
	}
	if err := setText(v, p.node.Value); err != nil {
		d.report(p, "type", "%s", err)
		return
	}
	if rule, err := bounds(v, tag); err != nil {
		d.report(p, rule, "%s", err)
	}
}

// setText reads a value as it is written: 0660 is a mode, and 1 a string where a string is wanted.
func setText(v reflect.Value, text string) error {
	switch to := v.Addr().Interface().(type) {
	case *string:
		*to = text
		return nil
	case *bool:
		return set(to, "must be true or false", text, func(s string) (bool, error) {
			if s != "true" && s != "false" {
				return false, errors.New("another word")
			}
			return s == "true", nil
		})
	case *int:
		return set(to, "must be a whole number", text, strconv.Atoi)
	case *fs.FileMode:
		return set(to, "must be a mode in octal, such as 0660", text, func(s string) (fs.FileMode, error) {
			n, err := strconv.ParseUint(s, 8, 12)
			return fs.FileMode(n), err
		})
	case *time.Duration:
		return set(to, "", text, resource.ParseDuration)
	case *resource.Bytes:
		return set(to, "", text, resource.ParseBytes)
	case *resource.NanoCPU:
		if text == "0" {
			*to = 0
			return nil
		}
		return set(to, "", text, resource.ParseCPU)
	}
	return fmt.Errorf("a value of type %s cannot be configured", v.Type())
}

// set assigns what parse makes of text; want says what to write instead, empty if the error of parse does.
func set[T any](to *T, want, text string, parse func(string) (T, error)) error {
	value, err := parse(text)
	if err == nil {
		*to = value
		return nil
	}
	if want == "" {
		return err
	}
	return fmt.Errorf("%s, not %q", want, text)
}

// bounds holds a value against its tag, and returns the rule that it breaks.
func bounds(v reflect.Value, tag reflect.StructTag) (rule string, err error) {
	if words := tag.Get("enum"); words != "" && !slices.Contains(strings.Split(words, ","), v.String()) {
		return "value", fmt.Errorf("must be %s, not %q", orList(strings.Split(words, ",")), v)
	}
	if v.Kind() == reflect.String {
		return stringBounds(v.String(), tag)
	}
	if v.Kind() == reflect.Bool {
		return "", nil
	}
	for _, bound := range []struct {
		name  string
		wrong func(value, limit int64) bool
		words string
	}{
		{"min", func(value, limit int64) bool { return value < limit }, "at least"},
		{"max", func(value, limit int64) bool { return value > limit }, "at most"},
	} {
		text := tag.Get(bound.name)
		if text == "" {
			continue
		}
		limit := reflect.New(v.Type()).Elem()
		if err := setText(limit, text); err != nil {
			return "", fmt.Errorf("a bound of this key is wrong: %w", err)
		}
		if bound.wrong(number(v), number(limit)) {
			return "range", fmt.Errorf("must be %s %s", bound.words, text)
		}
	}
	return "", nil
}

func number(v reflect.Value) int64 {
	if v.CanUint() {
		return int64(v.Uint()) //nolint:gosec // a file mode, 12 bits
	}
	return v.Int()
}

func stringBounds(s string, tag reflect.StructTag) (rule string, err error) {
	if tag.Get("abs") != "" && !filepath.IsAbs(s) {
		return "absolute", fmt.Errorf("must be an absolute path, not %q", s)
	}
	if re := tag.Get("match"); re != "" && !regexp.MustCompile(re).MatchString(s) {
		return "value", fmt.Errorf("must be %s, not %q", tag.Get("want"), s)
	}
	return "", nil
}

func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
