package config

import (
	"reflect"
	"strings"
)

// field is a leaf of the configuration: a key with a value.
type field struct {
	path  string
	value reflect.Value
	tag   reflect.StructTag
}

// fields lists the leaves of the struct in v, in the order of the types.
func fields(v reflect.Value, prefix string) []field {
	var all []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		path := strings.TrimPrefix(prefix+"."+f.Tag.Get("yaml"), ".")
		if v.Field(i).Kind() == reflect.Struct {
			all = append(all, fields(v.Field(i), path)...)
			continue
		}
		all = append(all, field{path, v.Field(i), f.Tag})
	}
	return all
}

// keys lists the keys of a struct.
func keys(t reflect.Type) []string {
	names := make([]string, 0, t.NumField())
	for f := range t.Fields() {
		names = append(names, f.Tag.Get("yaml"))
	}
	return names
}
