package cli

import "flag"

// Update is the flag -update of this package's tests.
var Update = flag.Bool("update", false, "write what the commands print into the golden files")
