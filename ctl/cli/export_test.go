package cli

import "flag"

// Update is the flag -update of this package's tests.
//
//nolint:gochecknoglobals // package flag has no other way
var Update = flag.Bool("update", false, "write what the commands print into the golden files")
